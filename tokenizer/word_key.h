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

  // By the size of a word: ones where its bytes are (little-endian).
  struct Keep {
    uint64_t low[kMaxBytes + 1], high[kMaxBytes + 1];
  };
  static const Keep kKeep;

  // Without a branch between the halves.
  bool operator==(const WordKey& other) const {
    return ((low ^ other.low) | (high ^ other.high)) == 0;
  }
  bool empty() const { return high == 0; }
  size_t size_bytes() const { return high >> 56; }

  // `word` has 1 to kMaxBytes bytes.  `readable` says that 16 bytes may be read at word.data().
  static WordKey pack(std::string_view word, bool readable) {
    WordKey key{0, 0};
    const size_t size = word.size();
    if (readable) [[likely]] {
      std::memcpy(&key, word.data(), 16);
      key.low &= kKeep.low[size];
      key.high &= kKeep.high[size];
    } else {
      std::memcpy(&key, word.data(), size);
    }
    key.high |= static_cast<uint64_t>(size) << 56;
    return key;
  }

  // Well mixed in the upper bits (multiply and fold, as in wyhash).
  uint64_t hash() const {
    const auto product =
        static_cast<unsigned __int128>(low ^ 0x9E3779B97F4A7C15u) * (high ^ 0xD6E8FEB86659FD93u);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
};

static_assert(sizeof(WordKey) == 16);

inline constexpr WordKey::Keep WordKey::kKeep = [] {
  Keep keep{};
  for (size_t size = 0; size <= kMaxBytes; ++size) {
    keep.low[size] = size >= 8 ? ~uint64_t{0} : (uint64_t{1} << size * 8) - 1;
    keep.high[size] = size <= 8 ? 0 : (uint64_t{1} << (size - 8) * 8) - 1;
  }
  return keep;
}();

}  // namespace rmkv
