// Taking lines apart.
#include "core/data/csv_row.h"

namespace rmkv {

CsvRow::CsvRow(const std::vector<std::string>& header, char divider, bool quotes)
    : header_(header), divider_(divider), quotes_(quotes) {}

std::optional<std::string> CsvRow::split(std::string_view line, char divider, bool quotes,
                                         std::vector<std::string>& fields) {
  size_t count = 0;
  auto next = [&]() -> std::string& {
    if (count == fields.size()) fields.emplace_back();
    fields[count].clear();
    return fields[count++];
  };
  for (size_t at = 0;; ++at) {
    std::string& field = next();
    if (quotes && at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        size_t end = line.find('"', at);
        if (end == std::string_view::npos) return "a quote that is never closed";
        field.append(line, at, end - at);
        at = end + 1;
        if (at >= line.size() || line[at] != '"') break;
        field += '"';
      }
      if (at < line.size() && line[at] != divider) return "text behind a closing quote";
    } else {
      size_t end = std::min(line.find(divider, at), line.size());
      field.assign(line, at, end - at);
      at = end;
    }
    if (at >= line.size()) break;
  }
  fields.resize(count);
  return std::nullopt;
}

std::optional<std::string> CsvRow::parse(std::string_view line) {
  if (auto why = split(line, divider_, quotes_, fields_)) return why;
  if (fields_.size() != header_.size()) {
    return "got " + std::to_string(fields_.size()) + " fields, expected " +
           std::to_string(header_.size());
  }
  return std::nullopt;
}

void CsvRow::field(const std::string& path, Field& out) const {
  out.kind = Field::Kind::kMissing;
  for (size_t i = 0; i < header_.size() && i < fields_.size(); ++i) {
    if (header_[i] != path) continue;
    out.kind = Field::Kind::kText;
    out.text = fields_[i];
    return;
  }
}

std::string CsvRow::field_names() const {
  std::string text;
  for (const std::string& name : header_) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace rmkv
