// The training stream: endless batches of lanes from weighted sources, resumable from a few
// integers.
//
// What a document becomes.  Its tokens are the text's tokens and <end> (unless they end in <end>
// already, or the text was cut there).  n tokens give n - 1 labels: the first token is never
// predicted, the last predicts nothing. Documents shorter than `pack_tokens` are joined with the
// following ones of the same source until that many tokens are there; inside such a joined document
// memory is not reset and <end> predicts the next first token. With documents of at least P tokens
// and segments of T, padding is at most T / (P + T) of a batch, half of that on average.
//
// Order.  Documents of a source follow permuted_index(ordinal, count, seed, name, epoch): every
// document once an epoch, no shuffle buffer; a source without limit is read in order of index. Each
// time a lane is free, the Mixer chooses the source.  Nothing depends on threads, on prefetching or
// on where cursors were taken.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/data/batch.h"
#include "core/data/source.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

struct StreamSource {
  SourcePtr source;
  double weight = 1;  // share of tokens, relative to the other sources
};

struct StreamOptions {
  int64_t lanes = 8;  // B
  int64_t seed = 1;
  int64_t pack_tokens = 512;  // 0: documents are never joined
  // "join": shorter documents are joined in order until pack_tokens are there.  "best_fit": those
  // of about 16 packs are put together so that packs are full and none is cut (packing.h).
  std::string packing = "join";
  std::string unit = "tokens";  // what weights are shares of: "tokens", "documents" or "bytes"
  // At the end of a source's last epoch: "repeat" it for ever, "stop" the whole stream, or
  // "renormalise": the others go on.
  std::string exhaustion = "repeat";
  int64_t epochs = 1;                 // of each source, where exhaustion is not "repeat"
  double validation_share = 0;        // held out of training, see validation_split.h
  int64_t threads = 1;                // that read and encode ahead; 0: everything when it is needed
  int64_t prefetch_tokens = 1 << 20;  // read ahead, per source, about
  double bad_share = 0.01;  // of the documents may be bad (and 10 always) before the stream fails
};

// Reads the closed set of options above from a table.
StreamOptions read_stream_options(const Table& table);

// Used by one thread.  Worker threads live inside and end with it.
class TokenStream {
 public:
  TokenStream(std::vector<StreamSource> sources, TokenizerPtr tokenizer, StreamOptions options);
  ~TokenStream();

  // The next S segments of T tokens of every lane; S and T may differ at every call.  Polls
  // cancellation; a call that throws has served nothing.  `reset_tokens`: memory is also reset
  // after so many tokens of a text, a curriculum of lengths; 0: only where a text begins.  At the
  // end of a stream that has one the batch has no lanes.
  Batch next(int64_t segments, int64_t segment_tokens, int64_t reset_tokens = 0);
  // Other shares from here on, one weight a source in their order; part of the cursor.
  void set_weights(const std::vector<double>& weights);

  // Where the stream stands after the last batch: {seed, lanes = [{source, ordinal, offset}],
  // sources = [{name, ordinal, tokens, ...}], ...}.  `seek` reads the documents that lanes are in,
  // nothing before them; it throws when lanes, sources or seed are others.
  Table cursor() const;
  void seek(const Table& cursor);

  // What the order depends on: sources with files, sizes and hashes, tokenizer fingerprint,
  // options. Compare with require_same_data (manifest.h).  Weights may change on the way: the
  // cursor has those that hold.
  Table manifest() const;

  // Counts so far: {tokens, labels, bytes, padding_tokens, padding_share, sources = [{name, weight,
  // share, tokens, realized_share, documents, epoch, bad_documents, empty_documents}], bad =
  // ["file:line: reason", ... the last 20]}.
  Table report() const;

  int64_t served_tokens() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace rmkv
