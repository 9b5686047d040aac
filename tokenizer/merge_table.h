// The merges of a BPE vocabulary as a hash table: (left id, right id) -> rank and resulting id.
//
// One 64-bit word per entry (21 bits for each id, 22 for the rank) keeps 50,000 merges within a
// megabyte.  Four entries are compared at a time without a branch on which of them it is: nobody
// could predict that, and merging a word asks some twenty times.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rmkv {

class MergeTable {
 public:
  static constexpr uint32_t kNoRank = (1 << 22) - 1;  // above all ranks
  static constexpr int32_t kMaxId = (1 << 21) - 2;  // one less than fits: a free entry is all ones
  static constexpr size_t kMaxMerges = (1 << 22) - 1;

  struct Merge {
    int32_t left, right, result;
  };

  // The rank of a merge is its place in the list, or what `ranks` says (then merges of one rank
  // have one result); of two merges of one pair the later counts. Ids lie in [0, kMaxId], ranks
  // under kMaxMerges, and there are at most kMaxMerges merges.
  explicit MergeTable(std::vector<Merge> merges, const std::vector<uint32_t>& ranks = {});

  // The rank of the pair, or kNoRank.  Ids lie in [0, kMaxId + 1]; the last of these is in no pair.
  uint32_t rank(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    const uint64_t shifted = key << kRankBits;
    for (uint64_t at = bucket_of(key);; at = (at + 1) & bucket_mask_) {
      const uint64_t* const entries = buckets_[at].entries;
      // Of the pair's own entry the rank is left, of others something larger than any rank.
      const uint64_t first = std::min(entries[0] ^ shifted, entries[1] ^ shifted);
      const uint64_t second = std::min(entries[2] ^ shifted, entries[3] ^ shifted);
      const uint64_t found = std::min({first, second, uint64_t{kNoRank}});
      // One test, not two: whether the pair is there nobody can predict.
      const bool may_be_further = (found == kNoRank) & (entries[3] != kFree);
      if (!may_be_further) [[likely]]
        return static_cast<uint32_t>(found);
    }
  }

  int32_t result(uint32_t rank) const {
    return first_result_ >= 0 ? first_result_ + static_cast<int32_t>(rank) : results_[rank];
  }
  const std::vector<Merge>& merges() const { return merges_; }

 private:
  static constexpr int kRankBits = 22, kBucketEntries = 4;
  static constexpr uint64_t kRankMask = (uint64_t{1} << kRankBits) - 1;
  static constexpr uint64_t kFree = ~uint64_t{0};
  static_assert(kNoRank == kRankMask);

  // Filled from the front; what finds no room goes to the next one.
  struct alignas(32) Bucket {
    uint64_t entries[kBucketEntries] = {kFree, kFree, kFree, kFree};
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 21 | static_cast<uint64_t>(right);
  }
  // Multiplicative hashing (Knuth, volume 3, section 6.4): the upper bits of key * 2^64 / golden
  // ratio.
  uint64_t bucket_of(uint64_t key) const { return (key * 0x9E3779B97F4A7C15u) >> bucket_shift_; }
  // Where the pair is or belongs.
  uint64_t& entry_of(uint64_t key);

  std::vector<Merge> merges_;
  std::vector<int32_t> results_;  // by rank
  // Of rank 0, when results count upwards with the rank as trainers make them; otherwise -1.
  int32_t first_result_ = -1;
  std::vector<Bucket> buckets_;
  uint64_t bucket_mask_;
  int bucket_shift_;
};

}  // namespace rmkv
