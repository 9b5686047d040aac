// A document as tokens, and the special tokens that a stream needs.
#pragma once

#include <cstdint>
#include <vector>

#include "core/data/source.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

// What streams take from a tokenizer, looked up once.
struct StreamVocabulary {
  explicit StreamVocabulary(TokenizerPtr tokenizer);

  TokenizerPtr tokenizer;
  int32_t end =
      -1;  // <end>, or <|endoftext|>; -1 where the vocabulary has neither: documents then just stop
  int32_t pad = 0;  // <pad>, else end, else 0: padding is never read
  // Bytes of text behind each id [V]; special tokens count as none (bits per byte,
  // tokenizer-data.md section 4).
  std::vector<uint16_t> byte_counts;
};

// Where a document begins in a text that may be several joined ones.
struct DocumentStart {
  int64_t offset = 0;  // of its first token
  int64_t id = 0;      // in its source
};

struct EncodedDocument {
  std::vector<int32_t> tokens;
  // Per token: the factor on its loss as a label, 0 when it is read but not predicted; empty when
  // all count once.
  std::vector<float> weights;
  std::vector<DocumentStart> starts;  // by offset, the first 0; empty: one document of id 0
};

// Text pieces between the borders of loss spans are encoded one by one, so that a border of a
// span is a border of tokens, as it is when a prompt is fed at generation time.  An <end> follows
// when the document ends and its last token is not <end> already.  An empty text gives no tokens at
// all.
EncodedDocument encode_document(const Document& document, const StreamVocabulary& vocabulary);

}  // namespace rmkv
