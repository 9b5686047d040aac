// Writes segments of encoded documents into the tensors of a batch.
#pragma once

#include "core/data/batch.h"
#include "core/data/encoded_document.h"

namespace rmkv {

class BatchWriter {
 public:
  // An empty batch: all padding, no labels.  The vocabulary outlives the writer.
  BatchWriter(const StreamVocabulary& vocabulary, int64_t lanes, int64_t segments,
              int64_t segment_tokens);

  // `reset`: memory begins anew here.  Writes tokens [offset, offset + T) of a text into one
  // segment with their labels; returns how many there were. The label of a token is the one behind
  // it, also across the end of the segment.
  int64_t write(int64_t lane, int64_t segment, int64_t source, const EncodedDocument& encoded,
                int64_t offset, bool reset);

  // The batch so far, and the finished one; `valid` goes when nothing is padding.
  const Batch& batch() const { return batch_; }
  Batch finish();

 private:
  void write_documents(int64_t row, const std::vector<DocumentStart>& starts, int64_t offset,
                       int64_t count);
  void set_weight(int64_t cell, float weight);

  const StreamVocabulary& vocabulary_;
  Batch batch_;
};

}  // namespace rmkv
