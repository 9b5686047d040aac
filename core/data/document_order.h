// The order in which a stream takes the documents of one source: from an ordinal to an id, without
// a table.
//
// Flat sources: a permutation of all documents an epoch.  Sources of blocks: a permutation of the
// blocks, and in each window of consecutive ones (16 MiB of text) a permutation of their documents;
// an ordinal is window << 24 | place, so that it names a place without counting what lies before.
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

// Used by one thread; `source()` by any.
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
  const DocumentSource& source() const { return *source_; }

 private:
  // Consecutive blocks of the permutation, with the number of documents before each.
  struct Window {
    uint64_t number = 0;
    std::vector<uint64_t> blocks;
    std::vector<uint64_t> first;  // one more than blocks: the last is the sum
  };
  std::optional<OrderedDocument> next_flat(uint64_t ordinal) const;
  std::optional<OrderedDocument> next_in_blocks(uint64_t ordinal) const;
  std::vector<uint64_t> window_blocks(uint64_t number) const;
  const Window& window(uint64_t number) const;

  SourcePtr source_;
  std::shared_ptr<const BlockSource> blocks_;  // the same; null: flat
  std::string name_;
  OrderOptions options_;
  ValidationSplit validation_;
  uint64_t window_size_ = 1;  // blocks
  uint64_t windows_ = 1;      // in an epoch
  mutable std::deque<Window> recent_;
  mutable uint64_t loaded_ahead_ = UINT64_MAX;
};

}  // namespace rmkv
