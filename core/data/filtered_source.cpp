// Applies the chain to each document.
#include "core/data/filtered_source.h"

namespace rmkv {

FilteredSource::FilteredSource(SourcePtr source, List filters, std::string cache_folder)
    : source_(std::move(source)),
      filters_(std::move(filters)),
      cache_folder_(std::move(cache_folder)),
      chain_(filters_, source_, cache_folder_) {}

Document FilteredSource::document(uint64_t id) const {
  Document document = source_->document(id);
  if (document.text.empty() && !document.tokens.empty()) {
    for (const std::string& rule : chain_.rules()) {
      if (rule.rfind("length.", 0) != 0 && rule.rfind("dedup.", 0) != 0)
        fail("filter " + rule, "source " + name() + " of token ids", "a source of text");
    }
  }
  chain_.apply(id, document);
  return document;
}

Table FilteredSource::manifest() const {
  Table manifest = source_->manifest();
  manifest["filters"] = chain_.to_list();
  return manifest;
}

SourcePtr FilteredSource::at_look(uint64_t look) const {
  SourcePtr grown = source_->at_look(look);
  if (grown == nullptr) return nullptr;
  return std::make_shared<FilteredSource>(std::move(grown), filters_, cache_folder_);
}

}  // namespace rmkv
