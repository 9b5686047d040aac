// What is done to the ids of a whole input: cutting to a length, tokens before and behind, padding.
//
// The members "truncation", "post_processor" and "padding" of Hugging Face's tokenizer.json, for
// single sequences (pairs of sequences are read and not used).
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/json_node.h"

namespace rmkv {

class PostProcessor {
 public:
  PostProcessor() = default;
  // Reads the three members of a file; each may be null or missing.
  explicit PostProcessor(const JsonNode& file);

  // Acts on ids[first ...].  `add_template`: with the tokens of the template; `fit`: with
  // truncation and padding.
  void apply(bool add_template, bool fit, size_t first, std::vector<int32_t>& ids) const;

 private:
  void read_processor(const JsonNode& node);
  void read_template(const JsonNode& node);
  void read_truncation(const JsonNode& node);
  void read_padding(const JsonNode& node);

  std::vector<int32_t> before_, behind_;
  bool truncates_ = false, truncates_left_ = false;
  size_t max_length_ = 0;
  bool pads_ = false, pads_left_ = false;
  size_t pad_length_ = 0, pad_multiple_ = 0;
  int32_t pad_id_ = 0;
};

}  // namespace rmkv
