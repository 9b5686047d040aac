// Index-function order.
#include "core/data/document_order.h"

#include "core/base/random.h"

namespace rmkv {

DocumentOrder::DocumentOrder(SourcePtr source, std::string name, OrderOptions options)
    : source_(std::move(source)),
      name_(std::move(name)),
      options_(options),
      validation_(source_, options.validation_share) {
  if (source_->document_count() == 0) fail("source " + name_, "no documents", "at least one");
}

std::optional<uint64_t> DocumentOrder::index(uint64_t ordinal) const {
  uint64_t count = source_->document_count();
  uint64_t index = ordinal;
  if (count != DocumentSource::kUnlimited && options_.endless) {
    index = permuted_index(ordinal % count, count, options_.seed, name_, ordinal / count);
  }
  if (!validation_.contains(options_.split, index)) return std::nullopt;
  return index;
}

bool DocumentOrder::ended(uint64_t ordinal) const {
  return !options_.endless && ordinal >= source_->document_count();
}

uint64_t DocumentOrder::epoch(uint64_t ordinal) const {
  uint64_t count = source_->document_count();
  return count == DocumentSource::kUnlimited ? 0 : ordinal / count;
}

}  // namespace rmkv
