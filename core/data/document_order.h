// The order in which a stream takes the documents of one source: from an ordinal to an id, without
// a table.
//
// Flat sources: a permutation of all documents an epoch.  Sources of blocks: a permutation of the
// blocks, and in each window of consecutive ones (16 MiB of text) a permutation of their documents;
// an ordinal is window << 24 | place, so that it names a place without counting what lies before.
//
// A source that grows (watched_source.h) is asked at the end of each pass.  What joined is read
// next, alone and once, within the same epoch; where nothing joined, the next epoch reads
// everything.  So an epoch is over when all that is there was read, and nothing is repeated before
// that.
#pragma once

#include <deque>
#include <optional>

#include "core/data/block_source.h"
#include "core/data/validation_split.h"
#include "core/data/worker_pool.h"

namespace rmkv {

struct OrderOptions {
  Split split = Split::kAll;
  double validation_share = 0;
  uint64_t seed = 0;
  uint64_t epochs = 0;  // permuted: passes before the end; 0: without end
  bool endless = true;  // true: permuted, epoch after epoch; false: one pass in order of id
};

// A document and where it stands in the order.
struct OrderedDocument {
  uint64_t ordinal = 0;
  uint64_t id = 0;
};

// Used by one thread.
class DocumentOrder {
 public:
  // `name`: the purpose of the random numbers, the source's unique name in its stream.
  DocumentOrder(SourcePtr source, std::string name, OrderOptions options);

  // The first document of the split at or behind `ordinal`; nothing at the end of a single pass.
  // Throws when an endless order has none.
  std::optional<OrderedDocument> next(uint64_t ordinal) const;
  uint64_t epoch(uint64_t ordinal) const;
  // Looks (DocumentSource::at_look) on which the documents before `ordinal` depend.
  uint64_t looks(uint64_t ordinal) const;
  // Documents after which a stream has surely seen every one there is.
  uint64_t round() const;
  // Lets workers load what comes after the window of `ordinal`.
  void load_ahead(uint64_t ordinal, WorkerPool& pool) const;
  // The source of the document at `ordinal`.
  const SourcePtr& source(uint64_t ordinal) const { return generation(ordinal).source; }

 private:
  // Equal passes over the same documents, one after another.
  struct Generation {
    uint64_t first = 0;  // ordinal
    uint64_t first_epoch = 0;
    uint64_t looks = 0;  // that the source was asked before
    SourcePtr source;
    std::shared_ptr<const BlockSource> blocks;  // the same without wrappers; null: flat
    ValidationSplit validation;
    uint64_t begin = 0;  // documents (blocks) [begin, end) are read
    uint64_t end = 0;
    uint64_t window_size = 1;  // blocks
    uint64_t windows = 1;      // in a pass
    uint64_t pass_length = 0;  // ordinals; UINT64_MAX without end

    bool partial() const { return begin > 0; }
  };
  // Consecutive blocks of the permutation, with the number of documents before each.
  struct Window {
    uint64_t number = 0;
    std::vector<uint64_t> blocks;
    std::vector<uint64_t> first;  // one more than blocks: the last is the sum
  };
  // Passes over the documents (blocks) of `source` from `begin` on.
  void add_generation(uint64_t first, uint64_t epoch, SourcePtr source, ValidationSplit validation,
                      uint64_t begin) const;
  const Generation& generation(uint64_t ordinal) const;
  // Asks a growing source what the next pass is.
  void add_pass() const;
  // Within the pass that ends before `end`.
  std::optional<OrderedDocument> next_flat(const Generation& at, uint64_t ordinal,
                                           uint64_t end) const;
  std::optional<OrderedDocument> next_in_blocks(const Generation& at, uint64_t ordinal,
                                                uint64_t end) const;
  std::vector<uint64_t> window_blocks(const Generation& at, uint64_t number) const;
  const Window& window(const Generation& at, uint64_t number) const;

  SourcePtr source_;
  std::string name_;
  OrderOptions options_;
  mutable std::deque<Generation> generations_;  // never empty
  mutable uint64_t looks_ = 0;                  // that a growing source was asked
  mutable uint64_t decided_ = 0;                // where its next pass begins
  mutable std::deque<Window> recent_;
  mutable uint64_t loaded_ahead_ = UINT64_MAX;
};

}  // namespace rmkv
