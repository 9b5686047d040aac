// Ranges of UTF-8 whose characters are all of one class in Unicode 16.0 (a test walks through all
// code points).
#include "tokenizer/char_masks.h"

namespace rmkv {
namespace {

// Byte values first .. last.
struct Bytes {
  unsigned char first, last;

  uint64_t in(const ByteBlock& block) const { return block.in_range(first, last - first + 1); }
};
constexpr Bytes kAnyTail{0x80, 0xBF};

// The last bytes of the characters `lead second third`.
uint64_t three(const ByteBlock& block, Bytes lead, Bytes second, Bytes third) {
  return (lead.in(block) << 2) & (second.in(block) << 1) & third.in(block);
}

}  // namespace

void decide_wide(const ByteBlock& block, CharMasks& masks) {
  uint64_t& other = masks.wide_other_end;
  // Dashes, quotation marks, ellipsis: U+2010 .. U+2027.
  other = three(block, {0xE2, 0xE2}, {0x80, 0x80}, {0x90, 0xA7});
  masks.undecided &= ~(other | other >> 1 | other >> 2);
  if (masks.undecided == 0) return;

  // Latin U+00C0 .. U+024F but for the signs of multiplication and division, Cyrillic U+0400 ..
  // U+047F.
  const uint64_t latin_1 = block.equal(0xC3), tail = kAnyTail.in(block);
  const uint64_t signs = latin_1 << 1 & (block.equal(0x97) | block.equal(0xB7));
  uint64_t letter = (latin_1 | block.in_range(0xC4, 6) | block.in_range(0xD0, 2)) << 1 & tail;
  letter &= ~signs;
  letter |= letter >> 1;
  masks.letter |= letter;
  masks.undecided &= ~letter;
  if (masks.undecided == 0) return;

  // Hiragana and Katakana: U+3041 .. U+3096, U+309D .. U+309F, U+30A1 .. U+30FA, U+30FC .. U+30FF.
  const uint64_t kana = block.equal(0xE3) << 2;
  const uint64_t x81 = block.equal(0x81) << 1, x82 = block.equal(0x82) << 1,
                 x83 = block.equal(0x83) << 1;
  letter = kana & tail &
           ((x81 & ~block.equal(0x80)) | (x82 & ~(block.in_range(0x97, 6) | block.equal(0xA0))) |
            (x83 & ~block.equal(0xBB)));
  // Ideographs U+4E00 .. U+9FFF.
  letter |=
      ((block.equal(0xE4) << 1 & block.in_range(0xB8, 8)) | (block.in_range(0xE5, 5) << 1 & tail))
          << 1 &
      tail;
  // Hangul U+AC00 .. U+D77F.
  letter |=
      ((block.equal(0xEA) << 1 & block.in_range(0xB0, 16)) | (block.in_range(0xEB, 2) << 1 & tail) |
       (block.equal(0xED) << 1 & block.in_range(0x80, 0x1E)))
          << 1 &
      tail;
  letter |= letter >> 1 | letter >> 2;
  masks.letter |= letter;
  // East Asian punctuation: U+3001, U+3002, U+3008 .. U+3011, U+30FB, U+FF01 .. U+FF0F, U+FF1A ..
  // U+FF20.
  const uint64_t east =
      (kana & block.equal(0x80) << 1 & (block.in_range(0x81, 2) | block.in_range(0x88, 10))) |
      (kana & x83 & block.equal(0xBB)) |
      (block.equal(0xEF) << 2 & block.equal(0xBC) << 1 &
       (block.in_range(0x81, 15) | block.in_range(0x9A, 7)));
  other |= east;
  masks.undecided &= ~(letter | east | east >> 1 | east >> 2);
}

}  // namespace rmkv
