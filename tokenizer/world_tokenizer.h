// RWKV's World tokenizer: the longest vocabulary entry that the text begins with, again and again.
//
// No words, no merges, no normalisation; nothing in a text is special.  Source: BlinkDL/ChatRWKV,
// tokenizer/rwkv_tokenizer.py and rwkv_vocab_v20230424.txt.  Id 0, which is not in that file, ends
// a text; here it is the special token "<|endoftext|>", which is never found in text.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

inline constexpr std::string_view kWorldEndOfText = "<|endoftext|>";

class WorldTokenizer : public Tokenizer {
 public:
  // `tokens`: bytes by id, empty for an unused id; id 0 must be empty and every single byte there.
  // `where` opens the message when that is not so.
  WorldTokenizer(std::vector<std::string> tokens, const std::string& where);

  std::string kind() const override { return "world"; }
  int32_t vocab_size() const override { return table_.size(); }
  void encode_to(std::string_view text, const EncodeOptions& options,
                 std::vector<int32_t>& ids) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const override;
  std::string_view token_bytes(int32_t id) const override { return table_.at(id); }
  std::optional<int32_t> token_id(std::string_view bytes) const override;
  bool is_special(int32_t id) const override { return table_.is_special(id); }
  // A WordPiece model without prefix behind a byte-level step: Hugging Face's greedy longest match.
  std::string to_json() const override;

 private:
  std::vector<std::string> tokens_;
  TokenTable table_;
  ByteTrie trie_;
};

// Reads the text of a vocabulary file: lines "id literal size" with Python string or bytes
// literals, LF or CRLF.  `name` (the file's) opens messages.
TokenizerPtr parse_world(std::string_view text, const std::string& name);

// Whether a text looks like one, by its first line.
bool looks_like_world(std::string_view text);

}  // namespace rmkv
