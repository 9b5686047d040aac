// Pretty printing of Lua values.
#include "bindings/inspect.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "bindings/bind.h"
#include "bindings/object_text.h"

namespace rmkv::lua {

namespace {

bool is_identifier(const std::string& text) {
  static const std::set<std::string> kReserved = {
      "and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
      "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
      "repeat",   "return", "then", "true", "until",  "while"};
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) || kReserved.count(text))
    return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += static_cast<char>(c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (c < 32 || c == 127)
      out += "\\" + std::to_string(c);
    else
      out += static_cast<char>(c);
  }
  return out + "\"";
}

class Inspector {
 public:
  Inspector(lua_State* L, const InspectOptions& options) : L(L), options_(options) {}

  std::string text(int index, int depth, int indent) {
    switch (lua_type(L, index)) {
      case LUA_TSTRING: {
        size_t size = 0;
        const char* data = lua_tolstring(L, index, &size);
        return quoted(std::string(data, size));
      }
      case LUA_TTABLE:
        return table_text(index, depth, indent);
      case LUA_TUSERDATA:
        if (Handle* handle = handle_at(L, index)) return object_text(*handle, depth == 0);
        return "userdata";
      case LUA_TFUNCTION:
        return function_text(index);
      default:
        return describe(L, index);
    }
  }

 private:
  std::string function_text(int index) {
    lua_Debug info;
    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &info);
    if (*info.what == 'C') return "function (built in)";
    return "function (" + std::string(info.short_src) + ":" + std::to_string(info.linedefined) +
           ")";
  }

  std::string table_text(int index, int depth, int indent) {
    const void* identity = lua_topointer(L, index);
    if (open_.count(identity)) return "{... itself}";
    lua_pushnil(L);
    bool empty = lua_next(L, index) == 0;
    if (empty) return "{}";
    lua_pop(L, 2);
    if (depth >= options_.depth) return "{...}";
    luaL_checkstack(L, 10, "nested tables");
    open_.insert(identity);
    std::vector<std::string> items;
    size_t length = lua_objlen(L, index);
    size_t limit = static_cast<size_t>(options_.entries);
    for (size_t i = 1; i <= std::min(length, limit); ++i) {
      lua_rawgeti(L, index, static_cast<int>(i));
      items.push_back(text(lua_gettop(L), depth + 1, indent + 2));
      lua_pop(L, 1);
    }
    if (length > limit) items.push_back("... " + std::to_string(length - limit) + " more");
    std::vector<std::pair<std::string, std::string>> named;
    size_t hidden = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
      int key = lua_gettop(L) - 1;
      bool listed = false;
      if (lua_type(L, key) == LUA_TNUMBER) {
        double x = lua_tonumber(L, key);
        listed = x >= 1 && x <= static_cast<double>(length) && x == std::floor(x);
      }
      if (!listed) {
        if (named.size() >= limit)
          ++hidden;
        else {
          std::string name;
          if (lua_type(L, key) == LUA_TSTRING && is_identifier(lua_tostring(L, key)))
            name = lua_tostring(L, key);
          else
            name = "[" + text(key, depth + 1, indent + 2) + "]";
          named.emplace_back(name, text(key + 1, depth + 1, indent + 2));
        }
      }
      lua_pop(L, 1);
    }
    std::sort(named.begin(), named.end());
    for (auto& [name, value] : named) items.push_back(name + " = " + value);
    if (hidden) items.push_back("... " + std::to_string(hidden) + " more");
    open_.erase(identity);

    std::string line;
    for (const std::string& item : items) line += (line.empty() ? "{ " : ", ") + item;
    line += " }";
    if (indent + static_cast<int>(line.size()) <= options_.width &&
        line.find('\n') == std::string::npos)
      return line;
    std::string pad(static_cast<size_t>(indent) + 2, ' ');
    std::string block = "{\n";
    // Plain lists of short items fill their lines.
    if (named.empty()) {
      std::string row = pad;
      for (size_t i = 0; i < items.size(); ++i) {
        std::string item = items[i] + (i + 1 < items.size() ? ", " : "");
        if (row.size() > pad.size() &&
            row.size() + item.size() > static_cast<size_t>(options_.width)) {
          block += row + "\n";
          row = pad;
        }
        row += item;
      }
      block += row + "\n";
    } else {
      for (size_t i = 0; i < items.size(); ++i)
        block += pad + items[i] + (i + 1 < items.size() ? ",\n" : "\n");
    }
    return block + std::string(static_cast<size_t>(indent), ' ') + "}";
  }

  lua_State* L;
  const InspectOptions& options_;
  std::set<const void*> open_;
};

}  // namespace

std::string inspect(lua_State* L, int index, const InspectOptions& options) {
  if (index < 0) index = lua_gettop(L) + index + 1;
  return Inspector(L, options).text(index, 0, 0);
}

}  // namespace rmkv::lua
