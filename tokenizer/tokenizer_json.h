// Hugging Face's tokenizer.json: what is read and written.
//
// Read: byte-level BPE (with or without merges) and one-character word vocabularies.  Everything
// else that the format can say (normalisers, other models, templates) is refused by name.  Source
// of the format: the library huggingface/tokenizers, version 0.23.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe_spec.h"

namespace rmkv {

std::string write_tokenizer_json(const BpeSpec& spec);

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
