// Which tokens are whole, without merging each: a token made of `left` and `right` is whole when
// both are and no merge joins a piece of one to a piece of the other before they are joined
// themselves.
#include "tokenizer/whole_words.h"

#include <algorithm>
#include <bit>

namespace rmkv {
namespace {

struct Parts {
  int32_t left = -1, right = -1;
  int64_t made_at = -1;  // rank of the merge that makes the token; -1 for a byte
};

// Merging goes by rising rank, so rank is time.  What stands at the inner edge of `left` at some
// time is on the path from it down its right parts, what stands at that of `right` on the path down
// its left parts; the walk goes back in time over all pairs that ever face each other.  Each stands
// until its `end`, the rank of the merge that takes it into the next one up.
bool stay_apart(const MergeTable& merges, const std::vector<Parts>& parts, int32_t left,
                int32_t right, int64_t joined_at) {
  int64_t left_end = joined_at, right_end = joined_at;
  for (;;) {
    const uint32_t rank = merges.rank(left, right);
    if (rank != MergeTable::kNoRank) {
      // Of equal ranks the leftmost pair goes first: ours before the right one's, after the left
      // one's.
      if (rank < left_end && rank <= right_end) return false;
    }
    const int64_t left_made = parts[left].made_at, right_made = parts[right].made_at;
    if (left_made < 0 && right_made < 0) return true;
    // Of two equal tokens side by side the left one is made first.
    if (right_made >= left_made) {
      right_end = right_made;
      right = parts[right].left;
    } else {
      left_end = left_made;
      left = parts[left].right;
    }
  }
}

}  // namespace

std::vector<bool> find_whole_tokens(const MergeTable& merges, std::span<const int32_t> byte_ids,
                                    size_t vocab_size) {
  std::vector<bool> whole(vocab_size, false);
  std::vector<Parts> parts(vocab_size);
  for (const int32_t id : byte_ids) {
    if (id >= 0) whole[id] = true;
  }
  for (size_t rank = 0; rank < merges.merges().size(); ++rank) {
    const auto& [left, right, result] = merges.merges()[rank];
    // A token counts as made by the first merge that makes it of whole parts.
    if (!whole[left] || !whole[right] || whole[result] || merges.rank(left, right) != rank)
      continue;
    parts[result] = {left, right, static_cast<int64_t>(rank)};
    whole[result] = stay_apart(merges, parts, left, right, static_cast<int64_t>(rank));
  }
  return whole;
}

WholeWords::WholeWords(size_t capacity) {
  // Two thirds full at most.
  const size_t size = std::bit_ceil(capacity / 2 + 2);
  buckets_.reset(static_cast<Bucket*>(allocate_pages(size * sizeof(Bucket))));
  std::uninitialized_fill_n(buckets_.get(), size, Bucket{});
  mask_ = size - 1;
  shift_ = 64 - std::countr_zero(size);
}

void WholeWords::insert(std::string_view word, int32_t id) {
  const WordKey key = WordKey::pack(word, false);
  for (size_t at = key.hash() >> shift_;; at = (at + 1) & mask_) {
    for (int i = 0; i < kBucketWords; ++i) {
      if (buckets_[at].keys[i] == key) return;
      if (!buckets_[at].keys[i].empty()) continue;
      buckets_[at].keys[i] = key;
      buckets_[at].ids[i] = id;
      return;
    }
  }
}

}  // namespace rmkv
