// Documents held in memory.
#include "core/data/list_source.h"

#include "core/base/file.h"

namespace rmkv {

namespace {

std::vector<Document> plain_documents(const std::vector<std::string>& texts) {
  std::vector<Document> documents(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) documents[i].text = texts[i];
  return documents;
}

}  // namespace

ListSource::ListSource(std::string name, std::vector<Document> documents)
    : name_(std::move(name)), documents_(std::move(documents)) {
  if (documents_.empty()) fail("source " + name_, "an empty list", "at least one document");
}

ListSource::ListSource(std::string name, const std::vector<std::string>& texts)
    : ListSource(std::move(name), plain_documents(texts)) {}

Table ListSource::manifest() const {
  std::string all;
  for (const Document& document : documents_) {
    all += content_hash(document.text);
    all += document.parse_special ? 's' : 'p';
    all += document.ends ? 'e' : 'c';
    for (LossSpan span : document.loss_spans) {
      all += std::to_string(span.begin) + "-" + std::to_string(span.end) + "*" +
             std::to_string(span.weight) + ",";
    }
  }
  return {{"kind", "list"},
          {"documents", static_cast<int64_t>(documents_.size())},
          {"hash", content_hash(all)}};
}

}  // namespace rmkv
