// Insertion into the word cache, and its growth.
#include "tokenizer/word_cache.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <new>
#include <utility>

#include "tokenizer/huge_pages.h"

namespace rmkv {

WordCache::WordCache()
    : buckets_(make_buckets(kSizes[0])), size_(kSizes[0]), shift_(64 - std::countr_zero(size_)) {}

WordCache::Buckets WordCache::make_buckets(size_t count) {
  const size_t bytes = count * sizeof(Bucket);
  void* const memory =
      std::aligned_alloc(bytes < kHugePageBytes ? alignof(Bucket) : kHugePageBytes, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  ask_for_huge_pages(memory, bytes);
  auto* const buckets = static_cast<Bucket*>(memory);
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
  if (++inserted_ > size_ && size_ < std::end(kSizes)[-1]) grow();
  place(entry, hash);
}

void WordCache::place(const Entry& entry, uint64_t hash) {
  Bucket& bucket = buckets_[hash >> shift_];
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
