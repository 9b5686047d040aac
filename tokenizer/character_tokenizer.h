// One token per character (Unicode code point) of a fixed set; everything else is the unknown
// token.
//
// The ASCII set is the tokenizer of the original RMKV design.  Text outside the set does not
// survive a round trip: use bytes or BPE where it must.
#pragma once

#include <unordered_map>

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"

namespace rmkv {

class CharacterTokenizer : public Tokenizer {
 public:
  // `where` opens the message when the spec contradicts itself.
  CharacterTokenizer(CharacterSpec spec, const std::string& where);

  std::string kind() const override { return "characters"; }
  int32_t vocab_size() const override { return static_cast<int32_t>(texts_.size()); }
  void encode_to(std::string_view text, const EncodeOptions& options,
                 std::vector<int32_t>& ids) const override;
  std::string_view token_bytes(int32_t id) const override;
  std::optional<int32_t> token_id(std::string_view bytes) const override;
  bool is_special(int32_t id) const override;
  std::string to_json() const override { return write_tokenizer_json(spec_); }

 private:
  CharacterSpec spec_;
  std::vector<std::string> texts_;  // by id
  std::vector<bool> special_;       // by id
  std::unordered_map<uint32_t, int32_t> id_of_code_point_;
  std::unordered_map<std::string, int32_t> id_of_text_;
  AddedTokens added_tokens_;
};

// Ids 0..255 are the bytes, and nothing else: for models that were trained so.  With special
// tokens: make_byte_tokenizer (tokenizer.h).
TokenizerPtr make_plain_byte_tokenizer();

}  // namespace rmkv
