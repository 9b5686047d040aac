// Insertion into the word cache.
#include "tokenizer/word_cache.h"

#include <algorithm>

namespace rmkv {

WordCache::WordCache() : buckets_(size_t{1} << kBucketBits) {}

void WordCache::insert(const WordKey& key, uint64_t hash, const int32_t* ids, size_t count) {
  if (count > kMaxIds) return;
  Bucket& bucket = buckets_[hash >> kShift];
  bucket.entries[1] = bucket.entries[0];
  Entry& entry = bucket.entries[0];
  entry = Entry{key, static_cast<uint32_t>(count), {-1, -1, -1}};
  std::copy(ids, ids + count, entry.ids);
}

}  // namespace rmkv
