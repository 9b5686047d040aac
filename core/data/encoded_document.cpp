// Encoding of documents, piece by piece.
#include "core/data/encoded_document.h"

#include <algorithm>

namespace rmkv {

namespace {

constexpr float kLargestWeight = 1000;  // beyond it a weight is a slip

}  // namespace

StreamVocabulary::StreamVocabulary(TokenizerPtr given) : tokenizer(std::move(given)) {
  RMKV_ASSERT(tokenizer != nullptr);
  auto special = [&](std::string_view name) {
    std::optional<int32_t> id = tokenizer->token_id(name);
    return id && tokenizer->is_special(*id) ? *id : -1;
  };
  end = special("<end>");
  if (end < 0) end = special("<|endoftext|>");
  pad = special("<pad>");
  if (pad < 0) pad = std::max(end, 0);
  byte_counts.resize(static_cast<size_t>(tokenizer->vocab_size()));
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    size_t bytes = tokenizer->is_special(id) ? 0 : tokenizer->token_bytes(id).size();
    byte_counts[static_cast<size_t>(id)] =
        static_cast<uint16_t>(std::min<size_t>(bytes, UINT16_MAX));
  }
}

EncodedDocument encode_document(const Document& document, const StreamVocabulary& vocabulary) {
  EncodedDocument encoded;
  encoded.tokens = document.tokens;
  for (size_t i = 0; i < encoded.tokens.size(); ++i) {
    if (static_cast<size_t>(encoded.tokens[i]) < vocabulary.byte_counts.size()) continue;
    fail("token " + std::to_string(i + 1) + " of a tokenised document",
         "id " + std::to_string(encoded.tokens[i]),
         "less than the vocabulary's " + std::to_string(vocabulary.byte_counts.size()),
         "the file was made with another tokenizer: give that one");
  }
  std::string_view text = document.text;
  EncodeOptions options;
  options.parse_special = document.parse_special;
  auto add = [&](size_t begin, size_t end, float weight) {
    if (begin >= end) return;
    vocabulary.tokenizer->encode_to(text.substr(begin, end - begin), options, encoded.tokens);
    if (!document.loss_spans.empty()) encoded.weights.resize(encoded.tokens.size(), weight);
  };
  size_t position = 0;
  for (LossSpan span : document.loss_spans) {
    if (span.begin < position || span.end < span.begin || span.end > text.size() ||
        !(span.weight >= 0 && span.weight <= kLargestWeight)) {
      fail("document",
           "a span " + std::to_string(span.begin) + ".." + std::to_string(span.end) +
               " of weight " + std::to_string(span.weight),
           "sorted spans inside a text of " + std::to_string(text.size()) +
               " bytes, weights 0 to " + std::to_string(kLargestWeight));
    }
    add(position, span.begin, 1);
    add(span.begin, span.end, span.weight);
    position = span.end;
  }
  add(position, text.size(), 1);
  if (document.ends && vocabulary.end >= 0 && !encoded.tokens.empty() &&
      encoded.tokens.back() != vocabulary.end) {
    encoded.tokens.push_back(vocabulary.end);
    if (!document.loss_spans.empty()) encoded.weights.push_back(1);
  }
  return encoded;
}

}  // namespace rmkv
