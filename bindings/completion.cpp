// Completion from live values and descriptors.
#include "bindings/completion.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "bindings/bind.h"

namespace rmkv::lua {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// Pushes the value of "a.b.c" (raw), or returns false with nothing pushed.
bool push_path(lua_State* L, int environment, const std::string& path) {
  size_t start = 0;
  bool first = true;
  lua_pushnil(L);
  while (start <= path.size()) {
    size_t end = std::min(path.find('.', start), path.size());
    std::string name = path.substr(start, end - start);
    start = end + 1;
    if (first) {
      lua_pop(L, 1);
      lua_pushstring(L, name.c_str());
      lua_rawget(L, environment);
      if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushstring(L, name.c_str());
        lua_rawget(L, LUA_GLOBALSINDEX);
      }
      first = false;
    } else {
      if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        return false;
      }
      lua_pushstring(L, name.c_str());
      lua_rawget(L, -2);
      lua_remove(L, -2);
    }
  }
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

void add_keys(lua_State* L, int table, const std::string& prefix, std::set<std::string>& words) {
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) continue;
    std::string name = lua_tostring(L, -1);
    if (name.rfind(prefix, 0) == 0) words.insert(name);
  }
}

void add_members(const Class& type, bool properties, const std::string& prefix,
                 std::set<std::string>& words) {
  for (const Module& module : all_modules()) {
    for (const Function& function : module.functions) {
      if (method_class(function) != type.name || is_property(function) != properties) continue;
      std::string name = short_name(function.name);
      if (name.rfind(prefix, 0) == 0 && name.rfind("__", 0) != 0) words.insert(name);
    }
  }
}

// The function whose braces are still open before the cursor: "rmkv.data.stream { lanes = 4, |".
const Function* open_call(lua_State* L, int environment, const std::string& line, size_t end) {
  int depth = 0;
  for (size_t i = end; i-- > 0;) {
    if (line[i] == '}') ++depth;
    if (line[i] != '{' || depth-- > 0) continue;
    // Back over "(", arguments before the table, and blanks, to the function's name.
    size_t stop = i;
    while (stop > 0 && (line[stop - 1] == ' ' || line[stop - 1] == '(')) --stop;
    if (stop > 0 && line[stop - 1] == ',') {
      size_t bracket = line.rfind('(', stop);
      if (bracket == std::string::npos) return nullptr;
      stop = bracket;
    }
    size_t start = stop;
    while (start > 0 &&
           (is_word(line[start - 1]) || line[start - 1] == '.' || line[start - 1] == ':'))
      --start;
    std::string path = line.substr(start, stop - start);
    size_t colon = path.find(':');
    if (colon == std::string::npos) {
      if (path.empty() || !push_path(L, environment, path)) return nullptr;
      const Function* function = lua_isfunction(L, -1) ? function_of(L, lua_gettop(L)) : nullptr;
      lua_pop(L, 1);
      return function;
    }
    if (!push_path(L, environment, path.substr(0, colon))) return nullptr;
    Handle* handle = handle_at(L, lua_gettop(L));
    lua_pop(L, 1);
    return handle ? find_function(handle->type->name + ":" + path.substr(colon + 1)) : nullptr;
  }
  return nullptr;
}

void add_option_keys(const Function& function, const std::string& prefix,
                     std::set<std::string>& words) {
  for (const Field& argument : function.args) {
    for (const Field& key : argument.keys) {
      if (key.name.rfind(prefix, 0) == 0) words.insert(key.name + " = ");
    }
  }
}

}  // namespace

Completion complete(lua_State* L, int environment, const std::string& line) {
  int top = lua_gettop(L);
  size_t start = line.size();
  while (start > 0 && is_word(line[start - 1])) --start;
  std::string prefix = line.substr(start);
  std::set<std::string> words;
  char before = start > 0 ? line[start - 1] : ' ';
  if (before == '.' || before == ':') {
    size_t end = start - 1, from = end;
    while (from > 0 && (is_word(line[from - 1]) || line[from - 1] == '.')) --from;
    if (push_path(L, environment, line.substr(from, end - from))) {
      int value = lua_gettop(L);
      if (Handle* handle = handle_at(L, value))
        add_members(*handle->type, before == '.', prefix, words);
      else if (lua_istable(L, value))
        add_keys(L, value, prefix, words);
      else if (lua_type(L, value) == LUA_TSTRING && before == ':') {
        lua_getglobal(L, "string");
        add_keys(L, lua_gettop(L), prefix, words);
      }
    }
  } else {
    const Function* function = open_call(L, environment, line, start);
    if (function) add_option_keys(*function, prefix, words);
    if (!prefix.empty() || !function) {
      add_keys(L, environment, prefix, words);
      lua_pushvalue(L, LUA_GLOBALSINDEX);
      add_keys(L, lua_gettop(L), prefix, words);
    }
  }
  lua_settop(L, top);
  return {start, {words.begin(), words.end()}};
}

std::string common_prefix(const std::vector<std::string>& words) {
  if (words.empty()) return "";
  std::string prefix = words[0];
  for (const std::string& word : words) {
    size_t size = 0;
    while (size < prefix.size() && size < word.size() && prefix[size] == word[size]) ++size;
    prefix.resize(size);
  }
  return prefix;
}

}  // namespace rmkv::lua
