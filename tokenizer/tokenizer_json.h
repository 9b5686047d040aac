// Hugging Face's tokenizer.json: what is written.  Its parts are read where they are run
// (normalizer.h, pre_tokenizer.h, token_decoder.h, post_processor.h); what is not supported is
// refused by name.  Source of the format: the library huggingface/tokenizers, version 0.23.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe_spec.h"
#include "tokenizer/pipeline_tokenizer.h"

namespace rmkv {

// A whole file around the member "model".
std::string write_file_json(const PipelineSpec& spec, const std::string& model);

// The member "model" for BPE; what merge_by_id says must stand in `merges`.
std::string write_bpe_json(const BpeSpec& spec);

// A "Split" step whose matches are words.
std::string write_split_json(std::string_view regex);

// Whether a text looks like a tiktoken rank file, by its first line.
bool looks_like_tiktoken(std::string_view text);

// A vocabulary of single characters: UTF-8 of one code point by id; special tokens stand in it by
// their text. In the file it is a WordLevel model behind a split into single characters.
struct CharacterSpec {
  std::vector<std::string> characters;
  std::vector<AddedToken> added_tokens;
  int32_t unknown_id = -1;  // for characters that are not there; always set
};
inline constexpr std::string_view kAnyCharacterRegex = R"([\s\S])";
std::string write_tokenizer_json(const CharacterSpec& spec);

// Greedy longest match over bytes (world_tokenizer.h): `tokens` by id, empty for an unused one.  In
// the file it is a WordPiece model without prefix, and id 0 has a name with a blank at its end,
// which no byte spelling has, so that it is never found in text.
std::string write_greedy_json(const std::vector<std::string>& tokens, std::string_view name_of_0);

}  // namespace rmkv
