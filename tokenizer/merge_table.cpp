// Filling the merge table.
#include "tokenizer/merge_table.h"

#include <algorithm>

#include "core/base/error.h"

namespace rmkv {

MergeTable::MergeTable(std::vector<Merge> merges, const std::vector<uint32_t>& ranks)
    : merges_(std::move(merges)) {
  RMKV_ASSERT(merges_.size() <= kMaxMerges);
  RMKV_ASSERT(ranks.empty() || ranks.size() == merges_.size());
  results_.resize(ranks.empty() ? merges_.size()
                                : size_t{1} + *std::max_element(ranks.begin(), ranks.end()));
  int bits = 2;
  // At most half full.
  while ((size_t{kBucketEntries} << bits) < merges_.size() * 2) ++bits;
  bucket_mask_ = (uint64_t{1} << bits) - 1;
  bucket_shift_ = 64 - bits;
  buckets_.resize(bucket_mask_ + 1);
  for (size_t i = 0; i < merges_.size(); ++i) {
    const Merge& merge = merges_[i];
    const size_t rank = ranks.empty() ? i : ranks[i];
    results_[rank] = merge.result;
    const uint64_t key = key_of(merge.left, merge.right);
    entry_of(key) = key << kRankBits | rank;
  }
  if (!results_.empty()) first_result_ = results_.front();
  for (size_t rank = 0; rank < results_.size(); ++rank) {
    if (results_[rank] != results_.front() + static_cast<int32_t>(rank)) first_result_ = -1;
  }
}

uint64_t& MergeTable::entry_of(uint64_t key) {
  for (uint64_t at = bucket_of(key);; at = (at + 1) & bucket_mask_) {
    for (uint64_t& entry : buckets_[at].entries) {
      if (entry == kFree || entry >> kRankBits == key) return entry;
    }
  }
}

}  // namespace rmkv
