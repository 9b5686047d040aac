// Checked access to JSON values.
#include "tokenizer/json_node.h"

#include "core/base/error.h"
#include "tokenizer/merge_table.h"

namespace rmkv {

using simdjson::dom::element_type;

std::string_view JsonNode::type_name() const {
  switch (value.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

void JsonNode::fail_type(std::string_view expected) const {
  fail(where, type_name(), expected);
}

simdjson::dom::object JsonNode::as_object() const {
  if (!value.is_object()) fail_type("an object");
  return simdjson::dom::object(value);
}

simdjson::dom::array JsonNode::as_array() const {
  if (!value.is_array()) fail_type("an array");
  return simdjson::dom::array(value);
}

std::string_view JsonNode::as_string() const {
  if (!value.is_string()) fail_type("a string");
  return std::string_view(value);
}

bool JsonNode::as_bool() const {
  if (!value.is_bool()) fail_type("a boolean");
  return bool(value);
}

int32_t JsonNode::as_id() const {
  uint64_t id = 0;
  if (value.get(id) != simdjson::SUCCESS || id > static_cast<uint64_t>(MergeTable::kMaxId)) {
    fail(where, value.is_number() ? simdjson::minify(value) : std::string(type_name()),
         "an id from 0 to " + std::to_string(MergeTable::kMaxId));
  }
  return static_cast<int32_t>(id);
}

int64_t JsonNode::as_integer(int64_t low, int64_t high) const {
  int64_t number = 0;
  if (value.get(number) != simdjson::SUCCESS || number < low || number > high) {
    fail(where, value.is_number() ? simdjson::minify(value) : std::string(type_name()),
         "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

double JsonNode::as_number() const {
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS) fail_type("a number");
  return number;
}

std::vector<JsonNode> JsonNode::elements() const {
  std::vector<JsonNode> nodes;
  for (const simdjson::dom::element element : as_array()) {
    nodes.push_back({element, where + "[" + std::to_string(nodes.size()) + "]"});
  }
  return nodes;
}

std::optional<JsonNode> JsonNode::find(const char* key) const {
  simdjson::dom::element member;
  if (as_object().at_key(key).get(member) != simdjson::SUCCESS) return std::nullopt;
  return JsonNode{member, where + "." + key};
}

JsonNode JsonNode::get(const char* key) const {
  const auto member = find(key);
  if (!member) fail(where, std::string("no '") + key + "'", "an object that has it");
  return *member;
}

bool JsonNode::flag(const char* key, bool otherwise) const {
  const auto member = find(key);
  return member && !member->is_null() ? member->as_bool() : otherwise;
}

bool JsonNode::is_blank(const char* key) const {
  const auto member = find(key);
  return !member || member->is_null() || (member->value.is_string() && member->as_string().empty());
}

JsonText::JsonText(std::string_view json, const std::string& name) {
  if (json.substr(0, 3) == "\xEF\xBB\xBF") fail(name, "a byte-order mark", "JSON without one");
  root_.where = name;
  const auto error = parser_.parse(json.data(), json.size()).get(root_.value);
  if (error != simdjson::SUCCESS) {
    fail_because(name, std::string("not valid JSON: ") + simdjson::error_message(error));
  }
}

}  // namespace rmkv
