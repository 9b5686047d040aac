// The split patterns as Boolean algebra on masks of character classes.  In the expressions below,
// `x << 1` reads "the byte before is an x" and `x >> 1` "the byte after is an x".
#include "tokenizer/split_block.h"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tokenizer/contraction.h"

namespace rmkv {
namespace {

struct Masks {
  uint64_t letter = 0, digit = 0, space = 0, newline = 0, blank = 0, apostrophe = 0,
           above_ascii = 0;
};

#if defined(__SSE2__)
Masks load_masks(const char* text) {
  const auto part = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i * 16));
  };
  const __m128i parts[4] = {part(0), part(1), part(2), part(3)};
  const auto all = [&](auto test) {
    const auto bits = [&](int i) {
      return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(test(parts[i]))));
    };
    return bits(0) | bits(1) << 16 | bits(2) << 32 | bits(3) << 48;
  };
  // first <= byte < first + count, as a signed comparison after a shift.
  const auto in_range = [](__m128i x, char first, int count) {
    const __m128i shifted = _mm_add_epi8(x, _mm_set1_epi8(static_cast<char>(-128 - first)));
    return _mm_cmplt_epi8(shifted, _mm_set1_epi8(static_cast<char>(-128 + count)));
  };
  const auto equal = [](__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); };
  Masks masks;
  masks.letter =
      all([&](__m128i x) { return in_range(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 26); });
  masks.digit = all([&](__m128i x) { return in_range(x, '0', 10); });
  masks.newline = all([&](__m128i x) { return _mm_or_si128(equal(x, '\n'), equal(x, '\r')); });
  masks.blank = all([&](__m128i x) { return equal(x, ' '); });
  masks.space = masks.blank | all([&](__m128i x) { return in_range(x, '\t', 5); });
  masks.apostrophe = all([&](__m128i x) { return equal(x, '\''); });
  masks.above_ascii = all([](__m128i x) { return x; });
  return masks;
}
#else
Masks load_masks(const char* text) {
  Masks masks;
  for (int i = 0; i < kBlockBytes; ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const uint64_t bit = uint64_t{1} << i;
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') masks.letter |= bit;
    if (c >= '0' && c <= '9') masks.digit |= bit;
    if (c == ' ' || (c >= '\t' && c <= '\r')) masks.space |= bit;
    if (c == '\n' || c == '\r') masks.newline |= bit;
    if (c == ' ') masks.blank |= bit;
    if (c == '\'') masks.apostrophe |= bit;
    if (c >= 0x80) masks.above_ascii |= bit;
  }
  return masks;
}
#endif

uint64_t below(int bit) {
  return bit >= 64 ? ~uint64_t{0} : (uint64_t{1} << bit) - 1;
}

// Moves the starts where contractions stand, and keeps those that are certain: the last byte's
// follower is unknown, and so is everything from the byte before the first one above ASCII.
uint64_t finish(const char* text, const Masks& masks, uint64_t starts, bool any_case) {
  const int ascii_end = std::countr_zero(masks.above_ascii);  // 64 when all are ASCII
  int certain = std::min(kBlockBytes - 1, ascii_end - 1);
  for (uint64_t left = masks.apostrophe & starts; left != 0; left &= left - 1) {
    const int at = std::countr_zero(left);
    if (at >= certain) break;
    if (at + 2 >= ascii_end) {
      certain = at + 1;
      break;
    }
    if (const char* stop = contraction(text + at, text + ascii_end, any_case)) {
      const int after = static_cast<int>(stop - text);
      starts &= ~(below(after) & ~below(at + 1));
      if (after < 64) starts |= uint64_t{1} << after;
    }
  }
  return starts & below(std::max(certain, 0)) & ~uint64_t{1};
}

template <bool single_digits>
uint64_t starts_gpt4(const char* text) {
  const Masks m = load_masks(text);
  const uint64_t other = ~(m.letter | m.digit | m.space | m.above_ascii);
  const uint64_t inner_space = m.space & ~m.newline;
  const uint64_t other_start = other & ~(other << 1);
  // [^\r\n\p{L}\p{N}]?\p{L}+ : a single other character that no blank has taken, or white space,
  // leads letters.
  const uint64_t leader = inner_space | (other_start & ~(m.blank << 1));
  uint64_t starts = m.letter & ~(m.letter << 1) & ~(leader << 1);
  // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  starts |= other_start & ~(m.blank << 1);
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
  const Masks m = load_masks(text);
  const uint64_t other = ~(m.letter | m.digit | m.space | m.above_ascii);
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
