// Filling the merge table.
#include "tokenizer/merge_table.h"

#include "core/base/error.h"

namespace rmkv {

MergeTable::MergeTable(std::vector<Merge> merges) : merges_(std::move(merges)) {
  RMKV_ASSERT(merges_.size() <= kMaxMerges);
  int bits = 4;
  while ((size_t{1} << bits) < merges_.size() * 2 + 1) ++bits;  // at most half full
  slot_mask_ = (uint64_t{1} << bits) - 1;
  slot_shift_ = 64 - bits;
  slots_.assign(slot_mask_ + 1, kFree);
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    const Merge& merge = merges_[rank];
    const uint64_t key = key_of(merge.left, merge.right);
    uint64_t slot = slot_of(key);
    while (slots_[slot] != kFree && slots_[slot] >> kRankBits != key)
      slot = (slot + 1) & slot_mask_;
    slots_[slot] = key << kRankBits | rank;
  }
}

}  // namespace rmkv
