// Tokens that are found in the raw text before anything else: special tokens and other added ones.
//
// The rules are Hugging Face's (tokenizers, added_vocabulary.rs): leftmost-longest; tokens that are
// not "normalized" first, the others in what is left; a match refused by `single_word` still uses
// up its text; `lstrip` takes white space back to the previous match, `rstrip` takes what follows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = true;
};

struct TextPiece {
  std::string_view text;
  int32_t id;  // of the added token, or -1 for the text between two
};

// Finds one set of added tokens.
class AddedTokenFinder {
 public:
  // Keeps pointers to the tokens, none of which is empty.
  explicit AddedTokenFinder(std::vector<const AddedToken*> tokens);

  // Cuts `text` into tokens and the text between them, appended to `pieces`.
  void find(std::string_view text, bool parse_special, std::vector<TextPiece>& pieces) const;

  // Whether the bytes of a token stand across text[at], begin or end there: if not, the text may be
  // cut in front of it.
  bool touches(std::string_view text, size_t at) const;

  bool empty() const { return tokens_.empty(); }

 private:
  // The first position at or after `from` where a token may start.
  size_t next_candidate(std::string_view text, size_t from) const;
  const AddedToken* longest_match(std::string_view text) const;

  // Sorted by content, so that all tokens with a common beginning stand together.
  std::vector<const AddedToken*> tokens_;
  uint32_t
      first_of_byte_[257];  // tokens_ with first byte b: [first_of_byte_[b], first_of_byte_[b + 1])
  size_t max_bytes_ = 0;    // of a token
  int only_first_byte_ = -1;  // when all tokens begin with one byte: memchr finds the candidates
};

// All added tokens of a tokenizer: the raw ones, then the normalised ones.
class AddedTokens {
 public:
  // The tokens must outlive it.
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  // Replaces `pieces` by those of `text`, which needs no normalisation.
  void cut(std::string_view text, bool parse_special, std::vector<TextPiece>& pieces) const;

  // Those found in the text as it comes, and those found in what lies between, once normalised.
  const AddedTokenFinder& raw() const { return raw_; }
  const AddedTokenFinder& normalized() const { return normalized_; }

 private:
  AddedTokenFinder raw_, normalized_;
};

}  // namespace rmkv
