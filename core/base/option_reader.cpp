// Closed options: every key is known, typed and within its range.
#include "core/base/option_reader.h"

#include "core/base/error.h"

namespace rmkv {

OptionReader::OptionReader(const Table& table, std::string where)
    : table_(table), where_(std::move(where)) {}

const Value* OptionReader::lookup(const std::string& key) {
  known_.insert(key);
  const Value* value = find(table_, key);
  return value && !value->is_nil() ? value : nullptr;
}

namespace {

// Runs `convert`, putting the option's name in front of the message of a wrong type.
template <typename Convert>
auto converted(const std::string& where, const std::string& key, const Value& value,
               const char* expected, Convert convert) {
  try {
    return convert();
  } catch (const Error&) {
    fail(where + "." + key, value.type_name() + " " + value.to_text(), expected);
  }
}

std::string range_text(const Value& low, const Value& high) {
  return low.to_text() + " .. " + high.to_text();
}

}  // namespace

bool OptionReader::read(const std::string& key, bool& field) {
  const Value* value = lookup(key);
  if (value) field = converted(where_, key, *value, "a boolean", [&] { return value->as_bool(); });
  return value;
}

bool OptionReader::read(const std::string& key, int64_t& field, int64_t low, int64_t high) {
  const Value* value = lookup(key);
  if (!value) return false;
  int64_t x = converted(where_, key, *value, "an integer", [&] { return value->as_int(); });
  if (x < low || x > high) fail(where_ + "." + key, std::to_string(x), range_text(low, high));
  field = x;
  return true;
}

bool OptionReader::read(const std::string& key, double& field, double low, double high) {
  const Value* value = lookup(key);
  if (!value) return false;
  double x = converted(where_, key, *value, "a number", [&] { return value->as_double(); });
  // Written so that NaN fails too.
  if (!(x >= low && x <= high)) fail(where_ + "." + key, value->to_text(), range_text(low, high));
  field = x;
  return true;
}

bool OptionReader::read(const std::string& key, std::string& field) {
  const Value* value = lookup(key);
  if (value) field = converted(where_, key, *value, "a string", [&] { return value->as_string(); });
  return value;
}

bool OptionReader::read(const std::string& key, std::string& field,
                        const std::vector<std::string>& choices) {
  std::string x = field;
  if (!read(key, x)) return false;
  for (const std::string& choice : choices) {
    if (x == choice) {
      field = x;
      return true;
    }
  }
  fail_because(where_ + "." + key, unknown_name_text("choice", x, choices));
}

bool OptionReader::read(const std::string& key, std::vector<int64_t>& field) {
  const Value* value = lookup(key);
  if (!value) return false;
  field = converted(where_, key, *value, "a list of integers", [&] {
    std::vector<int64_t> items;
    for (const Value& item : value->as_list()) items.push_back(item.as_int());
    return items;
  });
  return true;
}

bool OptionReader::read(const std::string& key, std::vector<double>& field) {
  const Value* value = lookup(key);
  if (!value) return false;
  field = converted(where_, key, *value, "a list of numbers", [&] {
    std::vector<double> items;
    for (const Value& item : value->as_list()) items.push_back(item.as_double());
    return items;
  });
  return true;
}

bool OptionReader::read(const std::string& key, std::vector<std::string>& field) {
  const Value* value = lookup(key);
  if (!value) return false;
  field = converted(where_, key, *value, "a list of strings", [&] {
    std::vector<std::string> items;
    for (const Value& item : value->as_list()) items.push_back(item.as_string());
    return items;
  });
  return true;
}

const Value* OptionReader::take(const std::string& key) {
  return lookup(key);
}

void OptionReader::finish() const {
  for (const auto& [key, value] : table_) {
    if (!known_.count(key)) {
      fail_because(where_, unknown_name_text("key", key, {known_.begin(), known_.end()}));
    }
  }
}

}  // namespace rmkv
