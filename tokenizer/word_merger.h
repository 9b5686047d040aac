// Applies BPE merges to one word: the pair of lowest rank first, the leftmost of equals, until none
// is left.
//
// Words scan a small array for the minimum; long ones (a megabyte without a space) use a heap, so
// the time stays n log n.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "tokenizer/merge_table.h"

namespace rmkv {

// Working memory of one thread, kept between words.
struct MergeScratch {
  std::vector<int32_t> ids;     // in: the symbols of the word; out: its tokens
  std::vector<uint32_t> ranks;  // of the pair that starts at each symbol
  std::vector<uint32_t> previous, next;
  std::vector<uint64_t> heap;  // rank << 32 | position, smallest on top
};

// Merges `scratch.ids` in place.
void merge_symbols(const MergeTable& table, MergeScratch& scratch);

// The same, but each time a pair is the next one it is passed over with probability `share` until
// another one has been merged; all passed over, merging ends.
void merge_symbols_with_dropout(const MergeTable& table, MergeScratch& scratch, double share,
                                RandomStream& random);

}  // namespace rmkv
