// The three ways of merging a word, by its length; tests hold them to each other.
#include "tokenizer/word_merger.h"

#include <algorithm>
#include <functional>

namespace rmkv {
namespace {

// Above this many symbols the heap is faster (measured on words of 16 to 512 bytes).
constexpr size_t kScanLimit = 96;

// For words that the encoder's cache takes, so for nearly all: everything in arrays of fixed size,
// no branch but the end of the loop, the minimum by vector instructions.
constexpr uint32_t kShortPlaces = 16;  // the last one stands for "beyond the word"

void merge_short(const MergeTable& table, MergeScratch& scratch) {
  constexpr uint32_t kBeyond = kShortPlaces - 1;
  constexpr int32_t kNoId = MergeTable::kMaxId + 1;
  constexpr uint32_t kNone = MergeTable::kNoRank << 4;
  const auto size = static_cast<uint32_t>(scratch.ids.size());
  int32_t ids[kShortPlaces];
  uint8_t previous[kShortPlaces], next[kShortPlaces];
  // rank << 4 | place, so that the least is the leftmost pair of the lowest rank.
  alignas(64) uint32_t pairs[kShortPlaces];
  for (uint32_t i = 0; i < kShortPlaces; ++i) {
    ids[i] = kNoId;
    pairs[i] = kNone;
    previous[i] = static_cast<uint8_t>(i == 0 ? kBeyond : i - 1);
    next[i] = static_cast<uint8_t>(i + 1 >= size ? kBeyond : i + 1);
  }
  std::copy_n(scratch.ids.data(), size, ids);
  for (uint32_t i = 0; i + 1 < size; ++i) pairs[i] = table.rank(ids[i], ids[i + 1]) << 4 | i;
  for (;;) {
    uint32_t best = kNone;
    for (const uint32_t pair : pairs) best = std::min(best, pair);
    if (best >= kNone) break;
    const uint32_t at = best % kShortPlaces, right = next[at], before = previous[at];
    const uint32_t after = next[right];
    ids[at] = table.result(best >> 4);
    ids[right] = kNoId;
    pairs[right] = kNone;
    next[at] = static_cast<uint8_t>(after);
    previous[after] = static_cast<uint8_t>(at);
    pairs[at] = table.rank(ids[at], ids[after]) << 4 | at;
    pairs[before] = table.rank(ids[before], ids[at]) << 4 | before;
  }
  uint32_t count = 0;
  for (uint32_t at = 0; at < size; at = next[at]) {
    scratch.ids[count++] = ids[at];
    if (next[at] == kBeyond) break;
  }
  scratch.ids.resize(count);
}

void merge_by_scan(const MergeTable& table, MergeScratch& scratch) {
  int32_t* const ids = scratch.ids.data();
  size_t size = scratch.ids.size();
  scratch.ranks.resize(size);
  uint32_t* const ranks = scratch.ranks.data();
  for (size_t i = 0; i + 1 < size; ++i) ranks[i] = table.rank(ids[i], ids[i + 1]);
  while (size > 1) {
    size_t best = 0;
    uint32_t best_rank = ranks[0];
    for (size_t i = 1; i + 1 < size; ++i) {
      const bool better = ranks[i] < best_rank;
      best = better ? i : best;
      best_rank = better ? ranks[i] : best_rank;
    }
    if (best_rank == MergeTable::kNoRank) break;
    ids[best] = table.result(best_rank);
    --size;
    for (size_t i = best + 1; i < size; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    if (best > 0) ranks[best - 1] = table.rank(ids[best - 1], ids[best]);
    if (best + 1 < size) ranks[best] = table.rank(ids[best], ids[best + 1]);
  }
  scratch.ids.resize(size);
}

// `passes_over()` tells for the pair that is next whether to leave it for now.
template <typename PassesOver>
void merge_by_heap(const MergeTable& table, MergeScratch& scratch, PassesOver passes_over) {
  constexpr uint32_t kNone = 0xFFFFFFFF;
  std::vector<int32_t>& ids = scratch.ids;
  std::vector<uint64_t>& heap = scratch.heap;
  const auto size = static_cast<uint32_t>(ids.size());
  // `next` past the end is `size`; a symbol that was merged into its left neighbour has rank
  // kNoRank for good, so that entries of the heap are current exactly when the rank at their
  // position is the one they carry.
  scratch.ranks.assign(size, MergeTable::kNoRank);
  scratch.previous.resize(size);
  scratch.next.resize(size);
  heap.clear();
  for (uint32_t i = 0; i < size; ++i) {
    scratch.previous[i] = i == 0 ? kNone : i - 1;
    scratch.next[i] = i + 1;
    if (i + 1 == size) break;
    scratch.ranks[i] = table.rank(ids[i], ids[i + 1]);
    if (scratch.ranks[i] != MergeTable::kNoRank) {
      heap.push_back(static_cast<uint64_t>(scratch.ranks[i]) << 32 | i);
    }
  }
  const auto later = std::greater<uint64_t>();
  std::make_heap(heap.begin(), heap.end(), later);
  const auto refresh = [&](uint32_t at) {
    const uint32_t right = scratch.next[at];
    scratch.ranks[at] = right == size ? MergeTable::kNoRank : table.rank(ids[at], ids[right]);
    if (scratch.ranks[at] == MergeTable::kNoRank) return;
    heap.push_back(static_cast<uint64_t>(scratch.ranks[at]) << 32 | at);
    std::push_heap(heap.begin(), heap.end(), later);
  };
  std::vector<uint64_t> passed;
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const uint64_t top = heap.back();
    const auto at = static_cast<uint32_t>(top);
    const auto rank = static_cast<uint32_t>(top >> 32);
    heap.pop_back();
    if (scratch.ranks[at] != rank) continue;
    if (passes_over()) {
      passed.push_back(top);
      continue;
    }
    for (const uint64_t entry : passed) {
      heap.push_back(entry);
      std::push_heap(heap.begin(), heap.end(), later);
    }
    passed.clear();
    const uint32_t right = scratch.next[at];
    ids[at] = table.result(rank);
    ids[right] = -1;
    scratch.ranks[right] = MergeTable::kNoRank;
    scratch.next[at] = scratch.next[right];
    if (scratch.next[at] != size) scratch.previous[scratch.next[at]] = at;
    refresh(at);
    if (scratch.previous[at] != kNone) refresh(scratch.previous[at]);
  }
  ids.erase(std::remove(ids.begin(), ids.end(), -1), ids.end());
}

}  // namespace

void merge_symbols(const MergeTable& table, MergeScratch& scratch) {
  if (scratch.ids.size() < 2) return;
  if (scratch.ids.size() < kShortPlaces) {
    merge_short(table, scratch);
  } else if (scratch.ids.size() <= kScanLimit) {
    merge_by_scan(table, scratch);
  } else {
    merge_by_heap(table, scratch, [] { return false; });
  }
}

void merge_symbols_with_dropout(const MergeTable& table, MergeScratch& scratch, double share,
                                RandomStream& random) {
  if (scratch.ids.size() < 2) return;
  merge_by_heap(table, scratch, [&] { return random.uniform() < share; });
}

}  // namespace rmkv
