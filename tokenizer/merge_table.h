// The merges of a BPE vocabulary as a hash table: (left id, right id) -> rank and resulting id.
//
// One 64-bit word per slot (21 bits for each id, 22 for the rank) keeps 50,000 merges within a
// megabyte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rmkv {

class MergeTable {
 public:
  static constexpr uint32_t kNoRank = 0xFFFFFFFF;
  static constexpr int32_t kMaxId = (1 << 21) - 2;  // one less than fits: a free slot is all ones
  static constexpr size_t kMaxMerges = (1 << 22) - 1;

  struct Merge {
    int32_t left, right, result;
  };

  // The rank of a merge is its place in the list, or what `ranks` says (then merges of one rank
  // have one result); of two merges of one pair the later counts. Ids lie in [0, kMaxId], ranks
  // under kMaxMerges, and there are at most kMaxMerges merges.
  explicit MergeTable(std::vector<Merge> merges, const std::vector<uint32_t>& ranks = {});

  // The rank of the pair, or kNoRank.  Ids lie in [0, kMaxId].
  uint32_t rank(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (uint64_t slot = slot_of(key);; slot = (slot + 1) & slot_mask_) {
      const uint64_t entry = slots_[slot];
      if (entry >> kRankBits == key) return static_cast<uint32_t>(entry & kRankMask);
      if (entry == kFree) return kNoRank;
    }
  }

  int32_t result(uint32_t rank) const { return results_[rank]; }
  const std::vector<Merge>& merges() const { return merges_; }

 private:
  static constexpr int kRankBits = 22;
  static constexpr uint64_t kRankMask = (uint64_t{1} << kRankBits) - 1;
  static constexpr uint64_t kFree = ~uint64_t{0};

  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 21 | static_cast<uint64_t>(right);
  }
  // Multiplicative hashing (Knuth, volume 3, section 6.4): the upper bits of key * 2^64 / golden
  // ratio.
  uint64_t slot_of(uint64_t key) const { return (key * 0x9E3779B97F4A7C15u) >> slot_shift_; }

  std::vector<Merge> merges_;
  std::vector<int32_t> results_;  // by rank
  std::vector<uint64_t> slots_;
  uint64_t slot_mask_;
  int slot_shift_;
};

}  // namespace rmkv
