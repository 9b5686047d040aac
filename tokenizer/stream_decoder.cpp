// Holding back the beginnings of characters.
#include "tokenizer/stream_decoder.h"

#include "tokenizer/unicode.h"

namespace rmkv {

StreamDecoder::StreamDecoder(TokenizerPtr tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

std::string StreamDecoder::push(int32_t id) {
  const std::string_view bytes = tokenizer_->token_bytes(id);
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  std::string ready = std::move(held_);
  ready += bytes;
  const size_t tail = incomplete_utf8_tail(ready);
  held_ = ready.substr(ready.size() - tail);
  ready.resize(ready.size() - tail);
  return ready;
}

std::string StreamDecoder::flush() {
  std::string rest;
  rest.swap(held_);
  return rest;
}

}  // namespace rmkv
