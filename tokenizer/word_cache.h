// The encoder's memory of words it has merged: word -> token ids.  One thread's own, of bounded
// size.
//
// Text repeats itself: of all words in English books about one in a hundred is new, so most of
// encoding is this look-up.  A word has two places in one cache line, and two in the neighbouring
// one when they are taken.  The table grows with what it holds; at its largest a newcomer takes the
// older one's place.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tokenizer/huge_pages.h"
#include "tokenizer/word_key.h"

namespace rmkv {

class WordCache {
 public:
  static constexpr uint32_t kInlineIds = 3;

  struct Entry {
    // Inline ids, or in ids[0] the place in `spilled` when there are more than kInlineIds.
    int32_t ids[kInlineIds];
    uint32_t count;
    WordKey key;  // empty() in a free entry
  };

  WordCache();

  // Call some words ahead of `find`.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash >> shift_]); }

  // The entry of the word where it belongs, or nullptr.
  const Entry* find(const WordKey& key, uint64_t hash) const {
    return find_in(hash >> shift_, key);
  }
  // The same where a word goes that found no room.
  const Entry* find_next_door(const WordKey& key, uint64_t hash) const {
    return find_in(hash >> shift_ ^ 1, key);
  }

  const int32_t* ids(const Entry& entry) const {
    return entry.count > kInlineIds ? spilled_.data() + entry.ids[0] : entry.ids;
  }

  // Remembers a word and its tokens.  Entries found before are no longer good.
  void insert(const WordKey& key, uint64_t hash, const int32_t* ids, size_t count);

 private:
  // From 32 KiB, for short prompts, to 8 MiB; sizes of whole huge pages in the end.
  static constexpr size_t kSizes[] = {size_t{1} << 9,  size_t{1} << 11, size_t{1} << 13,
                                      size_t{1} << 15, size_t{1} << 16, size_t{1} << 17};
  static constexpr size_t kMaxSpilled = size_t{1} << 20;  // ids; 4 MiB

  struct alignas(64) Bucket {
    Entry entries[2] = {};
  };

  using Buckets = std::unique_ptr<Bucket[], FreePages>;

  const Entry* find_in(size_t bucket, const WordKey& key) const {
    const Entry* const entries = buckets_[bucket].entries;
    // Without a branch on which of the two it is: that would be mispredicted every other time.
    const Entry* entry = entries + !(entries[0].key == key);
    return entry->key == key ? entry : nullptr;
  }
  static Buckets make_buckets(size_t count);
  void place(const Entry& entry, uint64_t hash);
  void grow();

  Buckets buckets_;
  size_t size_;          // of buckets_; one of kSizes
  int shift_;            // 64 - log2(size_)
  size_t inserted_ = 0;  // since the last change of size
  std::vector<int32_t> spilled_;
};

}  // namespace rmkv
