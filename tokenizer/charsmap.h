// SentencePiece's normalisation rules as it compiles them into a model file: from a few characters
// to others.
//
// The blob is a double-array trie (darts-clone) and the texts that its values point into, ended by
// zeros.  What a lookup finds is the shortest rule that a text begins with, as in Hugging Face's
// spm_precompiled; SentencePiece itself takes the longest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"

namespace rmkv {

class Charsmap {
 public:
  // Throws when the blob is damaged; `where` opens the message.
  Charsmap(std::string_view blob, const std::string& where);

  // What stands for the shortest rule that `text` begins with; nothing when there is none.
  std::optional<std::string_view> find(std::string_view text) const;

  // Whether a rule begins with this ASCII character.
  bool begins(char c) const {
    return static_cast<unsigned char>(c) < 128 && begins_[static_cast<unsigned char>(c)];
  }

 private:
  uint32_t unit(size_t at) const { return at < units_.size() ? units_[at] : 0; }

  std::vector<uint32_t> units_;
  std::string texts_;
  bool begins_[128];
};

// The normalizer "Precompiled": grapheme clusters under 6 bytes are looked up whole, then character
// by character.
NormalizerPtr make_charsmap_normalizer(const JsonNode& node);

}  // namespace rmkv
