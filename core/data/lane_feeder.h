// Fills batches: which document each lane reads, where it stands in it, and what the counters say.
//
// The engine under TokenStream (endless, permuted, joined) and EvaluationStream (one pass, in
// order, apart).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/data/batch.h"
#include "core/data/mixing.h"
#include "core/data/read_ahead.h"
#include "core/data/stream.h"

namespace rmkv {

// What weights are shares of: tokens served, documents begun, bytes of text behind the tokens
// served (trained or not; special tokens have none).
enum class MixUnit { kTokens, kDocuments, kBytes };

struct FeederOptions {
  int64_t lanes = 1;
  OrderOptions order;
  int64_t pack_tokens = 0;
  bool best_fit = false;  // packs are made of the documents that fit, not of the next ones
  MixUnit unit = MixUnit::kTokens;
  bool stop_together = false;  // the first source at its end is the end of all
  int64_t max_tokens = 0;      // no new document once that many tokens were taken; 0: no limit
  int64_t threads = 0;
  int64_t prefetch_tokens = 0;
  double bad_share = 0.01;
};

// Counters of one source; all part of the cursor.
struct SourceCounts {
  uint64_t ordinal = 0;  // of the next document
  int64_t served_tokens = 0;
  int64_t taken_tokens = 0;  // of the texts that lanes have begun
  int64_t taken_texts = 0;   // documents, or several joined
  int64_t documents = 0;
  int64_t bad_documents = 0;
  int64_t empty_documents = 0;
  // By each rule of the source's filters: documents that it dropped, and bytes of their text.
  std::vector<int64_t> dropped_documents, dropped_bytes;
};

// A document, or several joined, in the hands of a lane.
using LaneText = EncodedDocument;

// Texts made of consecutive documents: one, or the packs of a best fit.
struct TextGroup {
  uint64_t ordinal = 0;  // where reading began; reading from there again gives the same texts
  std::vector<std::shared_ptr<const LaneText>> texts;
};

class LaneFeeder {
 public:
  LaneFeeder(std::vector<StreamSource> sources, TokenizerPtr tokenizer, FeederOptions options);

  // Fills `batch`; false when no lane has anything left.  A call that throws has served nothing.
  bool next(int64_t segments, int64_t segment_tokens, Batch& batch, int64_t reset_tokens = 0);
  void set_weights(const std::vector<double>& weights);

  Table cursor() const;
  void seek(const Table& cursor);
  void rewind();

  const std::vector<std::string>& names() const { return names_; }
  const std::vector<StreamSource>& sources() const { return sources_; }
  const TokenizerPtr& tokenizer() const { return vocabulary_.tokenizer; }
  Table report() const;
  int64_t served_tokens() const { return totals_.tokens; }

 private:
  struct Lane {
    int64_t source = -1;   // -1: free
    int64_t offset = 0;    // of the next token
    int64_t age = 0;       // tokens since memory was reset
    uint64_t ordinal = 0;  // of the text's group
    int64_t place = 0;     // in the group
    std::shared_ptr<const LaneText> text;
  };
  struct Totals {
    int64_t tokens = 0, labels = 0, bytes = 0, padding_tokens = 0;
  };
  // The texts of a source that no lane has yet.
  struct OpenGroup {
    std::shared_ptr<const TextGroup> group;
    size_t next = 0;
  };
  // All that a failed call must put back.
  struct Snapshot {
    std::vector<Lane> lanes;
    std::vector<SourceCounts> counts;
    std::vector<OpenGroup> open;
    std::vector<bool> exhausted;
    bool stopped = false;
    Mixer::State mixer;
    Totals totals;
    size_t reason_count;
  };

  bool refill(Lane& lane);
  size_t choose_source() const;
  // Of text behind `count` tokens from `first` on.
  int64_t bytes_of(const LaneText& text, int64_t first, int64_t count) const;
  // Makes the next texts from documents of `read`; null at the end of a pass.
  std::shared_ptr<const TextGroup> read_group(const std::function<ReadDocument()>& read,
                                              SourceCounts* counts);
  void append(const EncodedDocument& document, EncodedDocument& text) const;
  void note_bad(size_t source, const ReadDocument& document);
  void note_unused(size_t source, const ReadDocument& document);
  Snapshot snapshot() const;
  void restore(const Snapshot& saved);

  std::vector<StreamSource> sources_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> rules_;  // of each source's filters
  StreamVocabulary vocabulary_;
  FeederOptions options_;
  Mixer mixer_;
  std::vector<Lane> lanes_;
  std::vector<SourceCounts> counts_;
  std::vector<OpenGroup> open_;
  std::vector<bool> exhausted_;
  bool stopped_ = false;
  Totals totals_;
  std::vector<std::string> bad_reasons_;
  // Order of destruction: readers wait for their workers, then the pool goes.
  std::vector<std::unique_ptr<DocumentOrder>> orders_;
  WorkerPool pool_;
  std::vector<std::unique_ptr<ReadAhead>> readers_;
};

}  // namespace rmkv
