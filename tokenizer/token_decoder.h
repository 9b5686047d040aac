// From entries of a vocabulary to the bytes they stand for.
//
// The names and rules are those of the "decoder" member of Hugging Face's tokenizer.json, taken
// token by token so that decoding is copying.  Where they put U+FFFD for bytes that are no UTF-8,
// the bytes stay.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

class TokenDecoder {
 public:
  // Reads the member; null joins tokens with blanks.  What is not supported is refused by name.
  explicit TokenDecoder(const JsonNode& node);

  // What the text of a token becomes, as the first token of a text or behind another.
  std::string decode(std::string_view token, bool is_first) const;

  // Whether it makes a difference that a token is the first.
  bool tells_first() const { return tells_first_; }

  // What is cut off the whole text.
  const TextTrim& trim() const { return trim_; }

 private:
  void read(const JsonNode& node);
  void read_strip(const JsonNode& node);

  using Step = std::function<void(std::string& token, bool is_first)>;
  std::vector<Step> steps_;
  bool tells_first_ = false;
  bool fused_ = false;  // steps behind this act on the whole text
  TextTrim trim_;
};

}  // namespace rmkv
