// Merging one word: the scan, the heap and the definition agree.
#include "core/base/random.h"
#include "tests/catch.h"
#include "tokenizer/word_merger.h"

using namespace rmkv;

namespace {

// The definition: search all pairs for the lowest rank, merge its leftmost place, start again.
std::vector<int32_t> merge_naively(const std::vector<MergeTable::Merge>& merges,
                                   std::vector<int32_t> ids) {
  for (;;) {
    size_t best_rank = merges.size(), best_at = 0;
    for (size_t at = 0; at + 1 < ids.size(); ++at) {
      for (size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == ids[at] && merges[rank].right == ids[at + 1]) {
          best_rank = rank;
          best_at = at;
        }
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best_at] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

}  // namespace

TEST_CASE("words merge as the definition says, short or long") {
  const uint64_t seed = 77;
  INFO("seed " << seed);
  RandomStream random(seed, "word_merger");
  for (int round = 0; round < 60; ++round) {
    // Random merges over 4 symbols; results are new symbols, in random order of rank.
    std::vector<MergeTable::Merge> merges;
    for (int32_t id = 4; id < 40; ++id) {
      const auto symbol = [&] {
        return static_cast<int32_t>(random.below(static_cast<uint64_t>(id)));
      };
      MergeTable::Merge merge{symbol(), symbol(), id};
      bool known = false;
      for (const auto& other : merges)
        known |= other.left == merge.left && other.right == merge.right;
      if (known) continue;
      merges.insert(merges.begin() + static_cast<std::ptrdiff_t>(random.below(merges.size() + 1)),
                    merge);
    }
    const MergeTable table(merges);
    for (const size_t size : {0, 1, 2, 3, 5, 9, 14, 15, 16, 17, 30, 95, 96, 97, 98, 300}) {
      MergeScratch scratch;
      for (size_t i = 0; i < size; ++i)
        scratch.ids.push_back(static_cast<int32_t>(random.below(4)));
      const std::vector<int32_t> expected = merge_naively(merges, scratch.ids);
      merge_symbols(table, scratch);
      REQUIRE(scratch.ids == expected);
    }
  }
}

TEST_CASE("the merge table knows exactly its merges; the later of two counts") {
  const MergeTable table({{1, 2, 10}, {2, 1, 11}, {1, 2, 10}});
  CHECK(table.rank(1, 2) == 2);
  CHECK(table.rank(2, 1) == 1);
  CHECK(table.rank(1, 1) == MergeTable::kNoRank);
  CHECK(table.rank(MergeTable::kMaxId, MergeTable::kMaxId) == MergeTable::kNoRank);
  CHECK(table.result(1) == 11);
  CHECK(MergeTable({}).rank(0, 0) == MergeTable::kNoRank);
}
