// One source's documents in order, read and encoded ahead by a worker pool.
//
// Workers fill a window of places; the reader takes them in order and does itself what no worker
// has begun, so results and their order are the same for any number of threads.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "core/data/document_order.h"
#include "core/data/encoded_document.h"
#include "core/data/worker_pool.h"

namespace rmkv {

// What came of one ordinal.
struct ReadDocument {
  enum class Kind { kGood, kBad, kEmpty, kDropped, kEnd };
  Kind kind = Kind::kEnd;
  uint64_t ordinal = 0;
  std::string reason;  // of a bad one
  int rule = -1;       // by which a filter dropped it
  uint64_t bytes = 0;  // of its text
  EncodedDocument encoded;
};

// Reads and encodes one document.
ReadDocument read_document(const DocumentSource& source, const StreamVocabulary& vocabulary,
                           OrderedDocument document);

class ReadAhead {
 public:
  // All references outlive the reader.  `prefetch_tokens`: about how much is kept ready.
  ReadAhead(const DocumentOrder& order, const StreamVocabulary& vocabulary, WorkerPool& pool,
            int64_t prefetch_tokens);
  ~ReadAhead();

  // Lets the workers begin; `next` does it too.
  void start();
  // The next document of the split, good or not; kEnd after the last of a single pass.  Rethrows
  // what the source threw.  Polls cancellation while it waits.
  ReadDocument next();
  // The ordinal that `next` looks at first.
  uint64_t position() const { return position_; }
  void seek(uint64_t ordinal);

 private:
  struct Place;
  void drop_window();

  const DocumentOrder& order_;
  const StreamVocabulary& vocabulary_;
  WorkerPool& pool_;
  int64_t prefetch_tokens_;
  uint64_t position_ = 0;   // behind what was taken
  uint64_t scheduled_ = 0;  // behind the window
  std::deque<std::shared_ptr<Place>> window_;
  int64_t seen_documents_ = 0;  // these two only set the window's depth
  int64_t seen_tokens_ = 0;
};

}  // namespace rmkv
