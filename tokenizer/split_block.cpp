// The split patterns as Boolean algebra on masks of character classes.  In the expressions below,
// `x << 1` reads "the byte before is an x" and `x >> 1` "the byte after is an x".
#include "tokenizer/split_block.h"

#include <algorithm>
#include <bit>

#include "tokenizer/char_masks.h"
#include "tokenizer/contraction.h"

namespace rmkv {
namespace {

uint64_t below(int bit) {
  return bit >= 64 ? ~uint64_t{0} : (uint64_t{1} << bit) - 1;
}

// Moves the starts where contractions stand, and keeps those that are certain: the last byte's
// follower is unknown, and so is everything from the byte before the first undecided one.
uint64_t finish(const char* text, const CharMasks& masks, uint64_t starts, bool any_case) {
  const int decided_end = std::countr_zero(masks.undecided);  // 64 when all are decided
  int certain = std::min(kBlockBytes - 1, decided_end - 1);
  for (uint64_t left = masks.apostrophe & starts; left != 0; left &= left - 1) {
    const int at = std::countr_zero(left);
    if (at >= certain) break;
    if (at + 2 >= decided_end) {
      certain = at + 1;
      break;
    }
    if (const char* stop = contraction(text + at, text + decided_end, any_case)) {
      const int after = static_cast<int>(stop - text);
      starts &= ~(below(after) & ~below(at + 1));
      if (after < 64) starts |= uint64_t{1} << after;
    }
  }
  return starts & below(std::max(certain, 0)) & ~uint64_t{1};
}

template <bool single_digits>
uint64_t starts_gpt4(const char* text) {
  const CharMasks m = load_char_masks(text);
  const uint64_t other = ~(m.letter | m.digit | m.space | m.undecided);
  const uint64_t inner_space = m.space & ~m.newline;
  const uint64_t other_start = other & ~(other << 1);
  // [^\r\n\p{L}\p{N}]?\p{L}+ : a single other character that no blank has taken, or white space,
  // leads letters.
  const uint64_t free_other = other_start & ~(m.blank << 1);
  const uint64_t leader = inner_space | free_other | (free_other << 2 & m.wide_other_end);
  uint64_t starts = m.letter & ~(m.letter << 1) & ~(leader << 1);
  // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  starts |= free_other;
  // \s*[\r\n]+ where the run is all newlines; \s+(?!\S) and the character it leaves.
  starts |= m.space & ~(m.space << 1) & ~(m.newline & other << 1);
  starts |= inner_space & ~(m.space >> 1);
  if (single_digits) {
    starts |= m.digit;
  } else {
    const uint64_t fourth = m.digit & m.digit << 1 & m.digit << 2 & m.digit << 3;
    for (uint64_t group = m.digit & ~(m.digit << 1); group != 0; group = group << 3 & fourth) {
      starts |= group;
    }
  }
  starts = finish(text, m, starts, true);
  // Newlines beside other white space: certain only up to the last word that starts before that
  // run.
  const uint64_t mixed = m.newline & (inner_space << 1 | inner_space >> 1);
  if (mixed != 0) {
    const uint64_t before = starts & ~m.space & below(std::countr_zero(mixed));
    starts &= below(64 - std::countl_zero(before));
  }
  return starts;
}

}  // namespace

uint64_t block_starts_gpt2(const char* text) {
  const CharMasks m = load_char_masks(text);
  const uint64_t other = ~(m.letter | m.digit | m.space | m.undecided);
  const uint64_t change =
      (m.letter & ~(m.letter << 1)) | (m.digit & ~(m.digit << 1)) | (other & ~(other << 1));
  // A blank leads the run that follows it; white space gives its last character away.
  const uint64_t starts =
      (change & ~(m.blank << 1)) | (m.space & ~(m.space << 1)) | (m.space & ~(m.space >> 1));
  return finish(text, m, starts, false);
}

uint64_t block_starts_llama3(const char* text) {
  return starts_gpt4<false>(text);
}
uint64_t block_starts_qwen2(const char* text) {
  return starts_gpt4<true>(text);
}

}  // namespace rmkv
