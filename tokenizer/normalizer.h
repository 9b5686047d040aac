// Changes to a text before it is cut into words: normal forms, lower case, replacements.
//
// The names and rules are those of the "normalizer" member of Hugging Face's tokenizer.json.
#pragma once

#include <memory>
#include <string>

#include "tokenizer/json_node.h"

namespace rmkv {

// Immutable and thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(std::string& text) const = 0;
  // Whether the parts of a text that is cut by find_word_cut (pre_tokenizer.h) can be normalised
  // each by itself, and are such parts of the normalised text.
  virtual bool keeps_word_cuts() const { return false; }
};

using NormalizerPtr = std::unique_ptr<const Normalizer>;

// Reads the member; nullptr for null.  What is not supported is refused by name.
NormalizerPtr read_normalizer(const JsonNode& node);

}  // namespace rmkv
