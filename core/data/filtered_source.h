// A source with filters before it: the same ids, with documents that are marked as dropped.
//
// Ids, order, counts and keys stay those of the source behind, so that order and validation split
// do not change when a threshold does; document_count() counts dropped documents too.
#pragma once

#include <string>

#include "core/data/filter.h"

namespace rmkv {

class FilteredSource : public DocumentSource {
 public:
  // `filters`: see FilterChain; not empty.
  FilteredSource(SourcePtr source, List filters, std::string cache_folder);

  std::string name() const override { return source_->name(); }
  uint64_t document_count() const override { return source_->document_count(); }
  std::optional<uint64_t> first_from(uint64_t id) const override { return source_->first_from(id); }
  std::optional<uint64_t> nth(uint64_t n) const override { return source_->nth(n); }
  Document document(uint64_t id) const override;
  uint64_t document_key(uint64_t id) const override { return source_->document_key(id); }
  // That of the source, with `filters`.
  Table manifest() const override;
  std::vector<std::string> filter_rules() const override { return chain_.rules(); }
  SourcePtr wrapped() const override { return source_; }
  bool grows() const override { return source_->grows(); }
  SourcePtr at_look(uint64_t look) const override;
  std::string joined_until(uint64_t look) const override { return source_->joined_until(look); }

 private:
  SourcePtr source_;
  List filters_;  // as given, for what the source becomes
  std::string cache_folder_;
  FilterChain chain_;
};

}  // namespace rmkv
