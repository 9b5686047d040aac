// The encoder's memory of words it has merged: word -> token ids.  One thread's own, of bounded
// size.
//
// Text repeats itself: of all words in English books about one in a hundred is new, so most of
// encoding is this look-up.  A word has two places in one cache line; a newcomer takes the older
// one's.
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/word_key.h"

namespace rmkv {

class WordCache {
 public:
  static constexpr uint32_t kMaxIds = 3;

  struct Entry {
    WordKey key;
    uint32_t count;  // 0 for a free entry
    int32_t ids[kMaxIds];
  };

  WordCache();

  // Call some words ahead of `find`.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash >> kShift]); }

  const Entry* find(const WordKey& key, uint64_t hash) const {
    const Bucket& bucket = buckets_[hash >> kShift];
    if (bucket.entries[0].key == key) return &bucket.entries[0];
    if (bucket.entries[1].key == key) return &bucket.entries[1];
    return nullptr;
  }

  // Remembers a word of at most kMaxIds tokens; longer ones are merged anew each time.
  void insert(const WordKey& key, uint64_t hash, const int32_t* ids, size_t count);

 private:
  static constexpr int kBucketBits = 16;  // 65,536 buckets, 4 MiB
  static constexpr int kShift = 64 - kBucketBits;

  struct alignas(64) Bucket {
    Entry entries[2];
  };

  std::vector<Bucket> buckets_;
};

}  // namespace rmkv
