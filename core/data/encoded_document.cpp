// Encoding of documents, piece by piece.
#include "core/data/encoded_document.h"

#include <algorithm>

namespace rmkv {

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
  std::string_view text = document.text;
  EncodeOptions options;
  options.parse_special = document.parse_special;
  auto add = [&](size_t begin, size_t end, bool untrained) {
    if (begin >= end) return;
    vocabulary.tokenizer->encode_to(text.substr(begin, end - begin), options, encoded.tokens);
    if (!document.untrained.empty()) encoded.untrained.resize(encoded.tokens.size(), untrained);
  };
  size_t position = 0;
  for (ByteSpan span : document.untrained) {
    if (span.begin < position || span.end < span.begin || span.end > text.size()) {
      fail("document",
           "an untrained span " + std::to_string(span.begin) + ".." + std::to_string(span.end),
           "sorted spans inside a text of " + std::to_string(text.size()) + " bytes");
    }
    add(position, span.begin, false);
    add(span.begin, span.end, true);
    position = span.end;
  }
  add(position, text.size(), false);
  if (document.ends && vocabulary.end >= 0 && !encoded.tokens.empty() &&
      encoded.tokens.back() != vocabulary.end) {
    encoded.tokens.push_back(vocabulary.end);
    if (!document.untrained.empty()) encoded.untrained.push_back(false);
  }
  return encoded;
}

}  // namespace rmkv
