// TOML: toml++ reads, our own writer keeps keys sorted and numbers exact.
#include "core/base/toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv {

namespace {

constexpr uint64_t kMaxTextBytes = 16 << 20;
constexpr int kMaxDepth = 256;    // of the tree; toml++ limits nested values to the same
constexpr int kMaxKeyParts = 32;  // of one dotted key

// toml++ builds and frees a.b.c.… by recursion: a line of a million parts would overflow the stack.
// Counts the dots of each key outside strings and comments.
void check_key_parts(std::string_view text, const std::string& name) {
  int dots = 0, line = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\n') ++line;
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      std::string_view fence =
          text.substr(i, 3) == std::string(3, c) ? text.substr(i, 3) : text.substr(i, 1);
      for (i += fence.size(); i < text.size() && text.substr(i, fence.size()) != fence; ++i) {
        if (text[i] == '\n') ++line;
        if (text[i] == '\\' && c == '"') ++i;
      }
      i += fence.size() - 1;
    } else if (c == '.') {
      if (++dots >= kMaxKeyParts) {
        fail(name + ":" + std::to_string(line), "a key of more than 32 parts", "a shorter key");
      }
    } else if (c == '=' || c == '\n' || c == ',' || c == '[' || c == '{') {
      dots = 0;
    }
  }
}

std::string place_text(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

Value from_toml(const toml::node& node, const std::string& name, int depth) {
  if (depth > kMaxDepth) {
    fail(place_text(name, node.source()), "nesting deeper than 256", "a shallower table");
  }
  if (auto* x = node.as_boolean()) return x->get();
  if (auto* x = node.as_integer()) return x->get();
  if (auto* x = node.as_floating_point()) return x->get();
  if (auto* x = node.as_string()) return x->get();
  if (auto* x = node.as_array()) {
    List items;
    for (const toml::node& item : *x) items.push_back(from_toml(item, name, depth + 1));
    return items;
  }
  if (auto* x = node.as_table()) {
    Table fields;
    for (const auto& [key, item] : *x) {
      fields[std::string(key.str())] = from_toml(item, name, depth + 1);
    }
    return fields;
  }
  fail(place_text(name, node.source()), "a date or time",
       "a string, number, boolean, list or table", "put quotation marks around it");
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    unsigned char lead = text[i];
    int extra = lead < 0x80                   ? 0
                : lead >= 0xC2 && lead < 0xE0 ? 1
                : lead >= 0xE0 && lead < 0xF0 ? 2
                : lead >= 0xF0 && lead < 0xF5 ? 3
                                              : -1;
    if (extra < 0 || i + extra >= text.size()) return false;
    uint32_t code = extra == 0 ? lead : lead & (0x3F >> extra);
    for (int k = 1; k <= extra; ++k) {
      unsigned char next = text[i + k];
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3F);
    }
    bool overlong = (extra == 2 && code < 0x800) || (extra == 3 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += extra + 1;
  }
  return true;
}

std::string quoted(const std::string& text) {
  if (!is_utf8(text))
    fail("write_toml", "a string that is not UTF-8", "UTF-8 (TOML allows no other)");
  std::string result = "\"";
  for (char c : text) {
    unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", byte);
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string key_text(const std::string& key) {
  auto bare = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  };
  bool plain = !key.empty() && std::all_of(key.begin(), key.end(), bare);
  return plain ? key : quoted(key);
}

std::string number_text(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  char text[40];
  for (int digits = 15; digits <= 17; ++digits) {  // the fewest digits that read back exactly
    std::snprintf(text, sizeof text, "%.*g", digits, x);
    if (std::strtod(text, nullptr) == x) break;
  }
  std::string result = text;
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return result;
}

std::string inline_text(const Value& value) {
  if (value.is_nil()) fail("write_toml", "nil in a list", "a value (TOML has no nil)");
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  if (value.is_int()) return std::to_string(value.as_int());
  if (value.is_number()) return number_text(value.as_double());
  if (value.is_string()) return quoted(value.as_string());
  std::string text;
  if (value.is_list()) {
    for (const Value& item : value.as_list())
      text += (text.empty() ? "" : ", ") + inline_text(item);
    return "[" + text + "]";
  }
  for (const auto& [key, item] : value.as_table()) {
    if (item.is_nil()) continue;
    text += (text.empty() ? " " : ", ") + key_text(key) + " = " + inline_text(item);
  }
  return text.empty() ? "{}" : "{" + text + " }";
}

void write_table(const Table& table, const std::string& path, std::string& out) {
  bool plain = false, nested = false;
  for (const auto& [key, item] : table) {
    (item.is_table() ? nested : plain) |= !item.is_nil();
  }
  // A table with only tables in it exists by their headers.
  if (!path.empty() && (plain || !nested)) out += (out.empty() ? "[" : "\n[") + path + "]\n";
  for (const auto& [key, item] : table) {
    if (!item.is_nil() && !item.is_table()) out += key_text(key) + " = " + inline_text(item) + "\n";
  }
  for (const auto& [key, item] : table) {
    if (!item.is_table()) continue;
    write_table(item.as_table(), path.empty() ? key_text(key) : path + "." + key_text(key), out);
  }
}

}  // namespace

Table parse_toml(std::string_view text, const std::string& name) {
  if (text.size() > kMaxTextBytes)
    fail(name, std::to_string(text.size()) + " bytes", "at most 16 MiB");
  check_key_parts(text, name);
  try {
    return from_toml(toml::parse(text, name), name, 0).as_table();
  } catch (const toml::parse_error& error) {
    fail_because(place_text(name, error.source()), std::string(error.description()));
  }
}

Table read_toml(const std::string& path) {
  return parse_toml(read_file(path, kMaxTextBytes), path);
}

std::string write_toml(const Table& table) {
  std::string out;
  write_table(table, "", out);
  return out;
}

}  // namespace rmkv
