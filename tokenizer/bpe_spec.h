// What a BPE model is made of, as plain data: what a file or a trainer gives to BpeModel.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rmkv {

struct BpeSpec {
  // The vocabulary by id; an empty string is an unused id.
  std::vector<std::string> entries;
  // Whether the entries are spellings of bytes (byte_level.h); otherwise they are text.
  bool byte_level = true;
  // Left and right id in order of rank; the entry of the two together is in the vocabulary.
  std::vector<std::pair<int32_t, int32_t>> merges;
  // Instead of merges, as in tiktoken: any two tokens whose bytes together are a token merge, the
  // one of smallest id first.
  bool merge_by_id = false;
  // A word that is in the vocabulary is that token, whatever the merges say.
  bool ignore_merges = false;
  // Characters that the vocabulary lacks are written as the entries <0x00> ... <0xFF>.
  bool byte_fallback = false;
  // For what the vocabulary lacks otherwise: an id, or -1 to drop it; fused: one token for a run.
  int32_t unknown_id = -1;
  bool fuse_unknown = false;
  // The unknown token's name where the vocabulary lacks it (then unknown_id is -1): a text that
  // needs it is an Error.
  std::string missing_unknown;
  // Written before every character of a word but the first, and behind its last one.
  std::string continuing_prefix, end_of_word_suffix;
  double dropout = 0;  // a merge is passed over with this probability (word_model.h)
};

}  // namespace rmkv
