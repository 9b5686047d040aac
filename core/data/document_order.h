// The order in which a stream takes the documents of one source: from an ordinal to an id, without
// a table.
//
// Flat sources: a permutation of all documents an epoch.  Sources of blocks: a permutation of the
// blocks, and in each window of consecutive ones (16 MiB of text) a permutation of their documents;
// an ordinal is window << 24 | place, so that it names a place without counting what lies before.
//
// A source that grows (watched_source.h) is asked at the beginning of each epoch; what it is from
// then on counts its ordinals from that epoch's first.
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
  // Documents after which a stream has surely seen every one there is.
  uint64_t round() const;
  // Lets workers load what comes after the window of `ordinal`.
  void load_ahead(uint64_t ordinal, WorkerPool& pool) const;
  // The source of the document at `ordinal`.
  const SourcePtr& source(uint64_t ordinal) const { return generation(ordinal).source; }

 private:
  // What the source is from an epoch on.
  struct Generation {
    uint64_t first = 0;  // ordinal
    uint64_t first_epoch = 0;
    SourcePtr source;
    std::shared_ptr<const BlockSource> blocks;  // the same without wrappers; null: flat
    ValidationSplit validation;
    uint64_t window_size = 1;   // blocks
    uint64_t windows = 1;       // in an epoch
    uint64_t epoch_length = 0;  // ordinals; UINT64_MAX without end
  };
  // Consecutive blocks of the permutation, with the number of documents before each.
  struct Window {
    uint64_t number = 0;
    std::vector<uint64_t> blocks;
    std::vector<uint64_t> first;  // one more than blocks: the last is the sum
  };
  void add_generation(uint64_t first, uint64_t epoch, SourcePtr source,
                      ValidationSplit validation) const;
  const Generation& generation(uint64_t ordinal) const;
  // Within the epoch that ends before `end`.
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
  mutable uint64_t decided_ = 0;  // the last epoch that a growing source was asked for
  mutable std::deque<Window> recent_;
  mutable uint64_t loaded_ahead_ = UINT64_MAX;
};

}  // namespace rmkv
