// Parsing and filling of row templates.
#include "core/data/row_template.h"

#include "core/base/error.h"

namespace rmkv {

RowTemplate::RowTemplate(const std::string& text) {
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      literal += c;
      ++i;
    } else if (c == '}') {
      fail("row template '" + text + "'", "a lone '}' at " + std::to_string(i + 1),
           "'}}' for a brace");
    } else if (c == '{') {
      size_t close = text.find('}', i);
      if (close == std::string::npos || close == i + 1) {
        fail(
            "row template '" + text + "'",
            close == i + 1 ? "a field without a name" : "an open brace at " + std::to_string(i + 1),
            "{field}", "write '{{' for a brace");
      }
      if (!literal.empty()) parts_.push_back({false, std::move(literal)});
      literal.clear();
      parts_.push_back({true, text.substr(i + 1, close - i - 1)});
      i = close;
    } else {
      literal += c;
    }
  }
  if (!literal.empty()) parts_.push_back({false, std::move(literal)});
}

void RowTemplate::fill(const std::function<std::string(const std::string&)>& field,
                       std::string& out) const {
  for (const Part& part : parts_) out += part.is_field ? field(part.text) : part.text;
}

std::vector<std::string> RowTemplate::fields() const {
  std::vector<std::string> names;
  for (const Part& part : parts_) {
    if (part.is_field) names.push_back(part.text);
  }
  return names;
}

}  // namespace rmkv
