// A fixed finite pass over documents for evaluation: the same documents in the same order every
// time.
#pragma once

#include <memory>
#include <vector>

#include "core/data/batch.h"
#include "core/data/stream.h"
#include "core/data/validation_split.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

struct EvaluationStreamOptions {
  int64_t lanes = 8;            // B
  Split split = Split::kAll;    // "all", "training" or "validation" in tables
  double validation_share = 0;  // the share given to the training stream, where split is not kAll
  int64_t max_tokens = 0;  // no new document once that many tokens were taken; 0: all there are
  int64_t threads = 1;
};

// Reads the closed set of options above from a table.
EvaluationStreamOptions read_evaluation_stream_options(const Table& table);

// Used by one thread.
class EvaluationStream {
 public:
  // Several sources are mixed by weight until each is at its end.  A source without limit has none:
  // then max_tokens or the caller ends the pass.  Throws when the split holds no document at all.
  EvaluationStream(std::vector<StreamSource> sources, TokenizerPtr tokenizer,
                   EvaluationStreamOptions options);
  ~EvaluationStream();

  // Fills `batch` with the next segments of all lanes; lanes without a document are padding
  // (sources = -1).  False, with the batch untouched, when the pass is over.  Documents are never
  // joined, go by index, and each begins with a reset.
  bool next(int64_t segments, int64_t segment_tokens, Batch& batch);
  void rewind();
  // As TokenStream::report.
  Table report() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace rmkv
