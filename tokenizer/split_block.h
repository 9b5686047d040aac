// Where words start in 64 bytes of text, found for all 64 at once with bit masks.
//
// Bit i of a mask belongs to byte i.  A word starts at byte 0.  What the masks cannot decide (rare
// characters, the last byte, newlines among other white space) bounds the answer; the scalar
// machine takes over there.
#pragma once

#include <cstdint>

#include "tokenizer/byte_block.h"

namespace rmkv {

// Each returns the starts of words after byte 0 that are certain: each set bit is a start, and
// between two set bits there is no other.  0 when none is certain.  `text` has kBlockBytes readable
// bytes.
uint64_t block_starts_gpt2(const char* text);
uint64_t block_starts_llama3(const char* text);
uint64_t block_starts_qwen2(const char* text);

}  // namespace rmkv
