// A fixed finite pass over documents for evaluation: the same documents in the same order every time.
#pragma once

#include <memory>

#include "core/data/batch.h"
#include "core/data/source.h"
#include "core/data/validation_split.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

struct EvaluationOptions {
  int64_t lanes = 8;            // B
  Split split = Split::kAll;
  double validation_share = 0;  // the share given to the training stream, where split is not kAll
  int64_t max_tokens = 0;       // documents are taken while fewer were; 0: all (a source without limit needs one)
  int64_t max_document_tokens = 0;  // longer documents are cut there; 0: never
  int64_t threads = 1;
};

// Used by one thread.
class EvaluationStream {
 public:
  // Throws when no document falls in the split.
  EvaluationStream(SourcePtr source, TokenizerPtr tokenizer, EvaluationOptions options);
  ~EvaluationStream();

  // Fills `batch` with the next segments; lanes without a document are padding (sources = -1).  False when the
  // pass is over.  Documents are never joined; order of index; each begins with a reset.
  bool next(int64_t segments, int64_t segment_tokens, Batch& batch);
  void rewind();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace rmkv
