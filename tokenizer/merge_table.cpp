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
  int bits = 4;
  while ((size_t{1} << bits) < merges_.size() * 2 + 1) ++bits;  // at most half full
  slot_mask_ = (uint64_t{1} << bits) - 1;
  slot_shift_ = 64 - bits;
  slots_.assign(slot_mask_ + 1, kFree);
  for (size_t i = 0; i < merges_.size(); ++i) {
    const Merge& merge = merges_[i];
    const size_t rank = ranks.empty() ? i : ranks[i];
    results_[rank] = merge.result;
    const uint64_t key = key_of(merge.left, merge.right);
    uint64_t slot = slot_of(key);
    while (slots_[slot] != kFree && slots_[slot] >> kRankBits != key)
      slot = (slot + 1) & slot_mask_;
    slots_[slot] = key << kRankBits | rank;
  }
}

}  // namespace rmkv
