// Typed access to the data tree.
#include "core/base/value.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "core/base/error.h"

namespace rmkv {

namespace {
[[noreturn]] void wrong_type(const Value& value, const char* expected) {
  fail("value", value.type_name() + " " + value.to_text(), expected);
}
}  // namespace

Value::Value(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;
Value::~Value() = default;

bool Value::as_bool() const {
  if (auto* x = std::get_if<bool>(&data_)) return *x;
  wrong_type(*this, "a boolean");
}

int64_t Value::as_int() const {
  if (auto* x = std::get_if<int64_t>(&data_)) return *x;
  if (auto* x = std::get_if<double>(&data_)) {
    // 2^53: beyond it a double no longer tells neighbouring integers apart.
    if (std::nearbyint(*x) == *x && std::fabs(*x) <= 9007199254740992.0) {
      return static_cast<int64_t>(*x);
    }
  }
  wrong_type(*this, "an integer");
}

double Value::as_double() const {
  if (auto* x = std::get_if<double>(&data_)) return *x;
  if (auto* x = std::get_if<int64_t>(&data_)) return static_cast<double>(*x);
  wrong_type(*this, "a number");
}

const std::string& Value::as_string() const {
  if (auto* x = std::get_if<std::string>(&data_)) return *x;
  wrong_type(*this, "a string");
}

const List& Value::as_list() const {
  if (auto* x = std::get_if<List>(&data_)) return *x;
  wrong_type(*this, "a list");
}

const Table& Value::as_table() const {
  if (auto* x = std::get_if<Table>(&data_)) return *x;
  wrong_type(*this, "a table");
}

List& Value::as_list() {
  return const_cast<List&>(std::as_const(*this).as_list());
}
Table& Value::as_table() {
  return const_cast<Table&>(std::as_const(*this).as_table());
}

std::string Value::type_name() const {
  static const char* const kNames[] = {"nil",    "boolean", "integer", "number",
                                       "string", "list",    "table"};
  return kNames[data_.index()];
}

std::string Value::to_text() const {
  if (is_nil()) return "nil";
  if (is_bool()) return as_bool() ? "true" : "false";
  if (is_int()) return std::to_string(as_int());
  if (is_number()) {
    // The shortest digits that read back as the same number.
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, as_double()).ptr};
  }
  if (is_string()) return "\"" + as_string() + "\"";
  std::string text;
  if (is_list()) {
    for (const Value& item : as_list()) text += (text.empty() ? "" : ", ") + item.to_text();
    return "[" + text + "]";
  }
  for (const auto& [key, item] : as_table()) {
    text += (text.empty() ? "" : ", ") + key + " = " + item.to_text();
  }
  return "{" + text + "}";
}

const Value* find(const Table& table, std::string_view key) {
  auto place = table.find(key);
  return place == table.end() ? nullptr : &place->second;
}

}  // namespace rmkv
