// Holding back the beginnings of characters.
#include "tokenizer/stream_decoder.h"

#include "tokenizer/unicode.h"

namespace rmkv {

StreamDecoder::StreamDecoder(TokenizerPtr tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)),
      skip_special_(skip_special),
      trim_(tokenizer_->text_trim()) {}

std::string StreamDecoder::push(int32_t id) {
  const std::string_view bytes =
      is_first_ ? tokenizer_->first_token_bytes(id) : tokenizer_->token_bytes(id);
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  is_first_ = false;
  std::string ready = std::move(held_);
  ready += bytes;
  // Cut off the beginning of the text.
  while (cut_ >= 0 && cut_ < trim_.start) {
    const bool is_part = ready.size() < trim_.content.size() && trim_.content.starts_with(ready);
    if (is_part) break;
    const bool matches = ready.starts_with(trim_.content);
    if (matches) ready.erase(0, trim_.content.size());
    cut_ = matches ? cut_ + 1 : -1;
  }
  const bool undecided = cut_ >= 0 && cut_ < trim_.start;
  size_t tail = undecided ? ready.size() : incomplete_utf8_tail(ready);
  // What could be cut off the end waits.
  if (tail == 0) {
    const std::string_view all = ready;
    for (int64_t i = 0; i < trim_.stop; ++i) {
      if (!all.substr(0, all.size() - tail).ends_with(trim_.content)) break;
      tail += trim_.content.size();
    }
  }
  held_ = ready.substr(ready.size() - tail);
  ready.resize(ready.size() - tail);
  return ready;
}

std::string StreamDecoder::flush() {
  std::string rest;
  rest.swap(held_);
  const TextTrim end{trim_.content, 0, trim_.stop};
  return end.apply(std::move(rest));
}

}  // namespace rmkv
