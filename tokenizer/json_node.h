// A JSON value with its place in the file, so that every complaint can name it.
//
// A thin reading layer over simdjson for the files of strangers; configurations use
// core/base/json.h.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

// Each as_... throws when the value has another type.  Views live as long as the JsonText.
struct JsonNode {
  simdjson::dom::element value;
  std::string where;

  std::string_view type_name() const;  // "a string", "null", ...
  bool is_null() const { return value.is_null(); }
  [[noreturn]] void fail_type(std::string_view expected) const;
  simdjson::dom::object as_object() const;
  simdjson::dom::array as_array() const;
  std::string_view as_string() const;
  bool as_bool() const;
  // A token id within what MergeTable can hold.
  int32_t as_id() const;

  std::optional<JsonNode> find(const char* key) const;
  // The elements of an array, each with its place.
  std::vector<JsonNode> elements() const;
  // A whole number from `low` to `high`.
  int64_t as_integer(int64_t low, int64_t high) const;
  double as_number() const;
  // Throws when the member is missing.
  JsonNode get(const char* key) const;
  // A boolean member; `otherwise` when it is missing or null.
  bool flag(const char* key, bool otherwise) const;
  // True when the member is missing, null, or an empty string.
  bool is_blank(const char* key) const;
};

// A parsed text.  Throws when it is not JSON (UTF-8 without byte-order mark, nothing behind the
// value).
class JsonText {
 public:
  JsonText(std::string_view json, const std::string& name);
  const JsonNode& root() const { return root_; }

 private:
  simdjson::dom::parser parser_;
  JsonNode root_;
};

}  // namespace rmkv
