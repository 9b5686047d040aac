// The order in which a stream takes the documents of one source: from an ordinal to an index,
// without a table.
#pragma once

#include <optional>

#include "core/data/source.h"
#include "core/data/validation_split.h"

namespace rmkv {

struct OrderOptions {
  Split split = Split::kAll;
  double validation_share = 0;
  uint64_t seed = 0;
  bool endless = true;  // true: permuted, epoch after epoch; false: one pass in order of index
};

class DocumentOrder {
 public:
  // `name`: the purpose of the random numbers, the source's unique name in its stream.
  DocumentOrder(SourcePtr source, std::string name, OrderOptions options);

  // The document at place `ordinal`; nothing where it belongs to the other split.
  std::optional<uint64_t> index(uint64_t ordinal) const;
  // No documents from this ordinal on (one pass only).
  bool ended(uint64_t ordinal) const;
  uint64_t epoch(uint64_t ordinal) const;
  // Ordinals after which a stream has seen every document there is.
  uint64_t round() const { return source_->document_count(); }
  const DocumentSource& source() const { return *source_; }

 private:
  SourcePtr source_;
  std::string name_;
  OrderOptions options_;
  ValidationSplit validation_;
};

}  // namespace rmkv
