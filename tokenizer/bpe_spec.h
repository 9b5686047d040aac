// What a byte-level BPE tokenizer is made of, as plain data: what a file or a trainer gives to
// BpeTokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace rmkv {

struct BpeSpec {
  // The model's vocabulary: spelling (byte_level.h) by id; an empty string is an unused id.
  std::vector<std::string> spellings;
  // Left and right id in order of rank; the spelling of the two together is in the vocabulary.
  std::vector<std::pair<int32_t, int32_t>> merges;
  // In order of definition; their ids may or may not be in the vocabulary too.
  std::vector<AddedToken> added_tokens;
  // Each cuts the pieces of the one before into matches and what lies between; none: one word.
  std::vector<std::string> split_regexes;
  // The byte-level step comes after those: it may put a blank before a piece that begins with none,
  // and split by the GPT-2 pattern.
  bool add_prefix_space = false;
  bool byte_level_regex = false;
  // A word that is in the vocabulary is that token, whatever the merges say.
  bool ignore_merges = false;
  // For bytes that the vocabulary lacks: an id, or -1 to drop them; fused: one token for a run of
  // them.
  int32_t unknown_id = -1;
  bool fuse_unknown = false;
};

}  // namespace rmkv
