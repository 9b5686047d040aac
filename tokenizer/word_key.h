// A word of up to 15 bytes packed into two registers, for tables of words (encoder cache, trainer's
// counts).
//
// More than 99 % of the words of real text are that short.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace rmkv {

struct WordKey {
  uint64_t low,
      high;  // the bytes in memory order, zero padded; the top byte of `high` is the length

  static constexpr size_t kMaxBytes = 15;

  // Without a branch between the halves.
  bool operator==(const WordKey& other) const {
    return ((low ^ other.low) | (high ^ other.high)) == 0;
  }
  bool empty() const { return high == 0; }
  size_t size_bytes() const { return high >> 56; }

  // `word` has 1 to kMaxBytes bytes.  `readable` says that 16 bytes may be read at word.data().
  static WordKey pack(std::string_view word, bool readable) {
    WordKey key{0, 0};
    if (readable) {
      std::memcpy(&key, word.data(), 16);
      // kKeep + 16 - size starts with `size` bytes of ones.
      uint64_t keep[2];
      std::memcpy(keep, kKeep + 16 - word.size(), 16);
      key.low &= keep[0];
      key.high &= keep[1];
    } else {
      std::memcpy(&key, word.data(), word.size());
    }
    key.high |= static_cast<uint64_t>(word.size()) << 56;
    return key;
  }

  static constexpr unsigned char kKeep[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                              255, 255, 255, 255, 255, 255, 255, 255};

  // Well mixed in the upper bits (multiply and fold, as in wyhash).
  uint64_t hash() const {
    const auto product =
        static_cast<unsigned __int128>(low ^ 0x9E3779B97F4A7C15u) * (high ^ 0xD6E8FEB86659FD93u);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
};

static_assert(sizeof(WordKey) == 16);

}  // namespace rmkv
