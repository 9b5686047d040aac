// JSON through nlohmann-json: its event parser fills a Value directly, so nesting is bounded as it
// is read.
#include "core/base/json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace rmkv {

namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 256;

// Builds the tree from parse events.  The path from the root to the open container is kept as
// addresses: a container does not move while it is open, because only the innermost one grows.
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(const std::string& name) : name_(name) {}
  Value take() { return std::move(root_); }

  bool null() override { return put(Value()); }
  bool boolean(bool x) override { return put(x); }
  bool number_integer(int64_t x) override { return put(x); }
  bool number_unsigned(uint64_t x) override {
    return x <= INT64_MAX ? put(static_cast<int64_t>(x)) : put(static_cast<double>(x));
  }
  bool number_float(double x, const std::string&) override { return put(x); }
  bool string(std::string& x) override { return put(std::move(x)); }
  bool binary(json::binary_t&) override { return false; }  // not part of JSON text
  bool start_object(size_t) override { return open(Table()); }
  bool start_array(size_t) override { return open(List()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& x) override {
    if (open_.back()->as_table().count(x))
      fail(name_, "the key '" + x + "' twice", "each key once");
    keys_.back() = std::move(x);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception& error) override {
    // nlohmann's text opens with its own error number in brackets.
    std::string text = error.what();
    size_t bracket = text.find("] ");
    if (bracket != std::string::npos) text = text.substr(bracket + 2);
    fail_because(name_, "not valid JSON at byte " + std::to_string(position) + ": " + text);
  }

 private:
  Value* place(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_list()) {
      List& list = open_.back()->as_list();
      list.push_back(std::move(value));
      return &list.back();
    }
    return &(open_.back()->as_table()[keys_.back()] = std::move(value));
  }
  bool put(Value value) { return place(std::move(value)) != nullptr; }
  bool open(Value container) {
    if (open_.size() >= kMaxDepth) {
      fail(name_, "nesting deeper than " + std::to_string(kMaxDepth), "a shallower JSON text");
    }
    open_.push_back(place(std::move(container)));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  const std::string& name_;
  Value root_;
  std::vector<Value*> open_;
  std::vector<std::string> keys_;  // the pending key of each open table
};

json to_json(const Value& value) {
  if (value.is_nil()) return nullptr;
  if (value.is_bool()) return value.as_bool();
  if (value.is_int()) return value.as_int();
  if (value.is_number()) return value.as_double();  // NaN and infinities are written as null
  if (value.is_string()) return value.as_string();
  if (value.is_list()) {
    json items = json::array();
    for (const Value& item : value.as_list()) items.push_back(to_json(item));
    return items;
  }
  json fields = json::object();
  for (const auto& [key, item] : value.as_table()) fields[key] = to_json(item);
  return fields;
}

}  // namespace

Value parse_json(std::string_view text, const std::string& name) {
  Builder builder(name);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string write_json(const Value& value, int indent) {
  return to_json(value).dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace rmkv
