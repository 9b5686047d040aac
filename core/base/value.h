// A plain data tree: what a Lua table, a TOML file and a JSON text have in common.
//
// Used at the edges (configurations, run files, cursors, reports); inner code uses structs read
// from it by OptionReader.  Tables are sorted by key, so a written file is the same for equal
// content.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rmkv {

class Value;
using List = std::vector<Value>;
using Table = std::map<std::string, Value, std::less<>>;

class Value {
 public:
  Value() = default;  // nil
  Value(bool x) : data_(x) {}
  Value(int x) : data_(static_cast<int64_t>(x)) {}
  Value(int64_t x) : data_(x) {}
  Value(uint64_t x) : data_(static_cast<int64_t>(x)) {}
  Value(double x) : data_(x) {}
  Value(const char* x) : data_(std::string(x)) {}
  Value(std::string x) : data_(std::move(x)) {}
  Value(List x) : data_(std::move(x)) {}
  Value(Table x) : data_(std::move(x)) {}
  // Out of line: inlined into every user they bloat the code and make GCC 12 warn of uninitialised
  // members.
  Value(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value();

  bool is_nil() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_list() const { return std::holds_alternative<List>(data_); }
  bool is_table() const { return std::holds_alternative<Table>(data_); }

  // Each throws Error naming the type found; as_int takes a double without fraction, as_double
  // takes an int.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const List& as_list() const;
  const Table& as_table() const;
  List& as_list();
  Table& as_table();

  // "nil", "boolean", "integer", "number", "string", "list" or "table".
  std::string type_name() const;
  // A short one-line rendering for messages.
  std::string to_text() const;

  bool operator==(const Value& other) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Table> data_;
};

// The value under `key`, or nullptr.
const Value* find(const Table& table, std::string_view key);

}  // namespace rmkv
