// simdjson behind JsonRow.
#include "core/data/json_row.h"

#include <simdjson.h>

#include <algorithm>

namespace rmkv {

namespace {

using Element = simdjson::dom::element;

bool member(const Element& element, std::string_view key, Element& found) {
  if (element.is_object()) {
    return element.get_object().value_unsafe().at_key(key).get(found) == simdjson::SUCCESS;
  }
  if (!element.is_array() || key.empty()) return false;
  size_t index = 0;
  for (char c : key) {
    if (c < '0' || c > '9' || index > 1'000'000) return false;
    index = index * 10 + static_cast<size_t>(c - '0');
  }
  return element.get_array().value_unsafe().at(index).get(found) == simdjson::SUCCESS;
}

// By whole key first (keys may hold dots), then from dot to dot.
bool lookup(const Element& root, const std::string& path, Element& found) {
  if (member(root, path, found)) return true;
  Element at = root;
  for (size_t begin = 0; begin <= path.size();) {
    size_t dot = std::min(path.find('.', begin), path.size());
    if (!member(at, std::string_view(path).substr(begin, dot - begin), found)) return false;
    at = found;
    begin = dot + 1;
  }
  return true;
}

}  // namespace

struct JsonRow::Parser {
  simdjson::dom::parser parser;
  Element root;
};

JsonRow::JsonRow() : parser_(std::make_unique<Parser>()) {}
JsonRow::~JsonRow() = default;

std::optional<std::string> JsonRow::parse(std::string_view text) {
  simdjson::error_code code = parser_->parser.parse(text.data(), text.size()).get(parser_->root);
  if (code != simdjson::SUCCESS) return simdjson::error_message(code);
  if (!parser_->root.is_object()) return "got no object, expected a JSON object";
  return std::nullopt;
}

void JsonRow::field(const std::string& path, Field& out) const {
  Element found;
  out.kind = Field::Kind::kMissing;
  if (!lookup(parser_->root, path, found)) return;
  if (found.is_string()) {
    out.kind = Field::Kind::kText;
    out.text = found.get_string().value_unsafe();
  } else if (found.is_null()) {
    out.kind = Field::Kind::kNull;
  } else {
    bool nested = found.is_object() || found.is_array();
    out.keep(nested ? Field::Kind::kNested : Field::Kind::kText, simdjson::to_string(found));
  }
}

std::string JsonRow::field_names() const {
  std::string text;
  simdjson::dom::object object = parser_->root.get_object().value_unsafe();
  for (auto field : object) text += (text.empty() ? "" : ", ") + std::string(field.key);
  return text;
}

}  // namespace rmkv
