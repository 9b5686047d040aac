// Documents held in memory: tests, prompts, and lists that a recipe made.
#pragma once

#include <string>
#include <vector>

#include "core/data/source.h"

namespace rmkv {

class ListSource : public DocumentSource {
 public:
  // At least one document.
  ListSource(std::string name, std::vector<Document> documents);
  ListSource(std::string name, const std::vector<std::string>& texts);

  std::string name() const override { return name_; }
  uint64_t document_count() const override { return documents_.size(); }
  Document document(uint64_t index) const override { return documents_.at(index); }
  Table manifest() const override;

 private:
  std::string name_;
  std::vector<Document> documents_;
};

}  // namespace rmkv
