// The classes of 64 bytes of text as bit masks: bit i belongs to byte i, and a character of several
// bytes has the bit of its class at each.
#pragma once

#include <cstdint>

#include "tokenizer/byte_block.h"

namespace rmkv {

struct CharMasks {
  uint64_t letter = 0, digit = 0, space = 0, newline = 0, blank = 0, apostrophe = 0;
  // Characters above ASCII whose class is not found out here; those that are found out are letters
  // or, with none of these bits, others (neither letter, number nor space).
  uint64_t undecided = 0;
  uint64_t wide_other_end = 0;  // the last bytes of others of three bytes
};

// The frequent characters above ASCII: takes them out of `undecided`.  A sequence that is cut off
// by the end of the block or invalid stays in.
void decide_wide(const ByteBlock& block, CharMasks& masks);

// `text` has kBlockBytes readable bytes.
inline CharMasks load_char_masks(const char* text) {
  const ByteBlock block(text);
  CharMasks masks;
  masks.letter = block.lower().in_range('a', 26);
  masks.digit = block.in_range('0', 10);
  masks.newline = block.equal('\n') | block.equal('\r');
  masks.blank = block.equal(' ');
  masks.space = masks.blank | block.in_range('\t', 5);
  masks.apostrophe = block.equal('\'');
  masks.undecided = block.above_ascii();
  if (masks.undecided != 0) decide_wide(block, masks);
  return masks;
}

}  // namespace rmkv
