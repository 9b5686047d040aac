// Insertion into the word cache, and its growth.
#include "tokenizer/word_cache.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>
#include <utility>

namespace rmkv {

WordCache::WordCache()
    : buckets_(make_buckets(kSizes[0])), size_(kSizes[0]), shift_(64 - std::countr_zero(size_)) {}

WordCache::Buckets WordCache::make_buckets(size_t count) {
  auto* const buckets = static_cast<Bucket*>(allocate_pages(count * sizeof(Bucket)));
  std::uninitialized_fill_n(buckets, count, Bucket{});
  return Buckets(buckets);
}

void WordCache::insert(const WordKey& key, uint64_t hash, const int32_t* ids, size_t count) {
  Entry entry{{-1, -1, -1}, static_cast<uint32_t>(count), key};
  if (count <= kInlineIds) {
    std::copy(ids, ids + count, entry.ids);
  } else {
    if (spilled_.size() + count > kMaxSpilled) {  // rare enough to start over
      std::fill_n(buckets_.get(), size_, Bucket{});
      spilled_.clear();
    }
    entry.ids[0] = static_cast<int32_t>(spilled_.size());
    spilled_.insert(spilled_.end(), ids, ids + count);
  }
  // Three quarters full.
  if (++inserted_ > size_ + size_ / 2 && size_ < std::end(kSizes)[-1]) grow();
  place(entry, hash);
}

void WordCache::place(const Entry& entry, uint64_t hash) {
  const size_t home = hash >> shift_;
  const auto is_full = [&](size_t at) { return !buckets_[at].entries[1].key.empty(); };
  Bucket& bucket = buckets_[is_full(home) && !is_full(home ^ 1) ? home ^ 1 : home];
  bucket.entries[1] = bucket.entries[0];
  bucket.entries[0] = entry;
}

void WordCache::grow() {
  const size_t old_size = size_;
  const size_t new_size = *std::upper_bound(std::begin(kSizes), std::end(kSizes), size_);
  const Buckets old = std::exchange(buckets_, make_buckets(new_size));
  size_ = new_size;
  shift_ = 64 - std::countr_zero(size_);
  inserted_ = 0;
  for (size_t at = 0; at < old_size; ++at) {
    for (const int i : {1, 0}) {
      const Entry& entry = old[at].entries[i];
      if (entry.key.empty()) continue;
      place(entry, entry.key.hash());
      ++inserted_;
    }
  }
}

}  // namespace rmkv
