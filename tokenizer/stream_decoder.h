// Decoding one token at a time, for text that is shown while it is generated.
//
// A token may end in the middle of a UTF-8 character; the piece is held back until the character is
// whole or can no longer become one.  Not thread-safe: one decoder per stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace rmkv {

class StreamDecoder {
 public:
  explicit StreamDecoder(TokenizerPtr tokenizer, bool skip_special = false);

  // Takes a token and returns what can be shown now: whole characters (and bytes that belong to
  // none).
  std::string push(int32_t id);

  // The bytes held back, at the end of the stream.  push(...) + ... + flush() == decode(all ids).
  std::string flush();

 private:
  TokenizerPtr tokenizer_;
  bool skip_special_;
  TextTrim trim_;
  bool is_first_ = true;  // no token has been shown yet
  int64_t cut_ = 0;       // how often trim_.content was cut off the beginning; -1: no more
  std::string held_;      // the beginning of a character, or what may have to be cut off the end
};

}  // namespace rmkv
