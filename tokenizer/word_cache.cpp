// Insertion into the word cache, and its growth.
#include "tokenizer/word_cache.h"

#include <algorithm>
#include <bit>

namespace rmkv {

WordCache::WordCache() : buckets_(kMinBuckets), shift_(64 - std::countr_zero(kMinBuckets)) {}

void WordCache::insert(const WordKey& key, uint64_t hash, const int32_t* ids, size_t count) {
  Entry entry{{-1, -1, -1}, static_cast<uint32_t>(count), key};
  if (count <= kInlineIds) {
    std::copy(ids, ids + count, entry.ids);
  } else {
    if (spilled_.size() + count > kMaxSpilled) {  // rare enough to start over
      std::fill(buckets_.begin(), buckets_.end(), Bucket{});
      spilled_.clear();
    }
    entry.ids[0] = static_cast<int32_t>(spilled_.size());
    spilled_.insert(spilled_.end(), ids, ids + count);
  }
  if (++inserted_ > buckets_.size() && buckets_.size() < kMaxBuckets) grow();
  place(entry, hash);
}

void WordCache::place(const Entry& entry, uint64_t hash) {
  Bucket& bucket = buckets_[hash >> shift_];
  bucket.entries[1] = bucket.entries[0];
  bucket.entries[0] = entry;
}

void WordCache::grow() {
  std::vector<Bucket> old(buckets_.size() * 4);
  old.swap(buckets_);
  shift_ -= 2;
  inserted_ = 0;
  for (const Bucket& bucket : old) {
    for (const int i : {1, 0}) {
      const Entry& entry = bucket.entries[i];
      if (entry.key.empty()) continue;
      place(entry, entry.key.hash());
      ++inserted_;
    }
  }
}

}  // namespace rmkv
