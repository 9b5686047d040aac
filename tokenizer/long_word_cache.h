// The encoder's memory of longer words (word_cache.h holds the short ones): runs of blanks in code,
// rules, addresses, Japanese between two commas.  One thread's own, of bounded size.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

class LongWordCache {
 public:
  static constexpr size_t kMaxBytes = 256;  // longer ones hardly come again

  static uint64_t hash_of(std::string_view word);

  // The tokens of the word, if it is known; good until the next `insert`.
  std::optional<std::span<const int32_t>> find(std::string_view word, uint64_t hash) const;

  // Remembers a word that is not known.
  void insert(std::string_view word, uint64_t hash, std::span<const int32_t> ids);

 private:
  static constexpr size_t kMinSlots = size_t{1} << 8, kMaxSlots = size_t{1} << 16;
  static constexpr size_t kMaxTextBytes = size_t{4} << 20;
  // Without parts that are tokens a byte is one.
  static constexpr size_t kMaxIds = size_t{1} << 20;

  struct Slot {
    uint64_t hash = 0;
    uint32_t text_begin = 0, text_size = 0;  // in texts_; size 0: a free slot
    uint32_t ids_begin = 0, ids_size = 0;    // in ids_
  };

  // Where the word is, or the free slot where it belongs.
  size_t slot_of(std::string_view word, uint64_t hash) const;
  void grow();

  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t count_ = 0;
  std::string texts_;
  std::vector<int32_t> ids_;
};

}  // namespace rmkv
