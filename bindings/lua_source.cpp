// Lua sources on worker threads.
#include "bindings/lua_source.h"

#include <filesystem>

#include "bindings/bind.h"
#include "bindings/lua_value.h"
#include "bindings/runner.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv::lua {

struct LuaSource::Worker {
  explicit Worker(HostOptions options) : host(std::move(options)) {}

  Host host;
  int module = LUA_NOREF;   // the table the file returned
  int options = LUA_NOREF;  // the options as a Lua table
};

namespace {

// What a host loaded since it was made, for the manifest.
HostOptions worker_options(const std::string& root, const std::string& path) {
  HostOptions options;
  options.root = root;
  options.recipe = path;
  options.worker = true;
  return options;
}

}  // namespace

LuaSource::LuaSource(std::string name, std::string path, std::string root, int64_t seed,
                     const Table& options)
    : name_(std::move(name)),
      path_(std::move(path)),
      root_(std::move(root)),
      seed_(seed),
      options_(options) {
  auto worker = take();
  lua_State* L = worker->host.state();
  lua_rawgeti(L, LUA_REGISTRYINDEX, worker->module);
  lua_getfield(L, -1, "count");
  if (!lua_isnil(L, -1)) {
    double count = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || count < 1 || count != std::floor(count)) {
      fail(path_ + ": count", describe(L, lua_gettop(L)),
           "a whole number of documents, or nil for an endless source");
    }
    count_ = static_cast<uint64_t>(count);
  }
  lua_pop(L, 1);
  lua_getfield(L, -1, "defaults");
  Table known;
  if (!lua_isnil(L, -1)) {
    Value defaults = to_value(L, lua_gettop(L), path_ + ": defaults");
    if (!defaults.is_table())
      fail(path_ + ": defaults", defaults.type_name(), "a table with named keys");
    known = defaults.as_table();
  }
  lua_pop(L, 2);
  std::vector<std::string> names;
  for (const auto& [key, value] : known) names.push_back(key);
  for (const auto& [key, value] : options_) {
    if (!known.count(key)) fail_because(path_, unknown_name_text("option", key, names));
    known[key] = value;
  }
  options_ = known;
  files_ = worker->host.loaded_files();
  // Its options table was made before the defaults were known: begin anew.
}

LuaSource::~LuaSource() = default;

std::unique_ptr<LuaSource::Worker> LuaSource::take() const {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
  }
  auto worker = std::make_unique<Worker>(worker_options(root_, path_));
  lua_State* L = worker->host.state();
  Failure failure;
  if (!load_file(L, worker->host.options(), path_)) {
    std::string message = lua_tostring(L, -1);
    throw Error(message);
  }
  if (!protected_call(worker->host, 0, 1, failure)) throw Error(failure.text());
  if (lua_istable(L, -1)) lua_getfield(L, -1, "document");
  if (lua_gettop(L) < 2 || !lua_isfunction(L, -1)) {
    fail(path_, "a file without it",
         "a Lua source: a file that returns a table with document(index, seed, options)");
  }
  lua_pop(L, 1);
  worker->module = luaL_ref(L, LUA_REGISTRYINDEX);
  push_value(L, Value(options_));
  worker->options = luaL_ref(L, LUA_REGISTRYINDEX);
  return worker;
}

namespace {

std::vector<LossSpan> read_spans(lua_State* L, int index, size_t size, const std::string& where) {
  std::vector<LossSpan> spans;
  if (lua_isnil(L, index)) return spans;
  Value value = to_value(L, index, where + ": spans");
  if (value.is_table() && value.as_table().empty()) return spans;
  for (const Value& item : value.as_list()) {
    const List& pair = item.as_list();
    if (pair.size() != 2 && pair.size() != 3)
      fail(where + ": spans", item.to_text(), "{first, last} or {first, last, weight}");
    int64_t first = pair[0].as_int(), last = pair[1].as_int();
    bool inside = first >= 1 && last >= first - 1 && last <= static_cast<int64_t>(size);
    bool sorted = spans.empty() || static_cast<int64_t>(spans.back().end) < first;
    if (!inside || !sorted) {
      fail(where + ": spans", item.to_text(),
           "sorted, disjoint positions within 1 .. " + std::to_string(size));
    }
    float weight = pair.size() == 3 ? static_cast<float>(pair[2].as_double()) : 0.0f;
    if (last >= first)
      spans.push_back({static_cast<size_t>(first - 1), static_cast<size_t>(last), weight});
  }
  return spans;
}

}  // namespace

Document LuaSource::document(uint64_t index) const {
  auto worker = take();
  lua_State* L = worker->host.state();
  int top = lua_gettop(L);
  std::string where =
      chunk_name(worker->host.options(), path_) + ": document " + std::to_string(index + 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, worker->module);
  lua_getfield(L, -1, "document");
  lua_pushnumber(L, static_cast<double>(index + 1));
  lua_pushnumber(L, static_cast<double>(seed_));
  lua_rawgeti(L, LUA_REGISTRYINDEX, worker->options);
  Failure failure;
  if (!protected_call(worker->host, 3, 2, failure)) throw Error(where + ": " + failure.text());
  if (lua_type(L, -2) != LUA_TSTRING) fail(where, describe(L, lua_gettop(L) - 1), "a text");
  Document document;
  size_t size = 0;
  const char* text = lua_tolstring(L, -2, &size);
  document.text.assign(text, size);
  document.loss_spans = read_spans(L, lua_gettop(L), size, where);
  lua_settop(L, top);
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
  return document;
}

Table LuaSource::manifest() const {
  List files;
  HostOptions options = worker_options(root_, path_);
  for (const std::string& path : files_) {
    files.push_back(Table{{"path", chunk_name(options, path)},
                          {"size", file_size_bytes(path)},
                          {"hash", file_hash(path)}});
  }
  return {{"kind", "lua"}, {"seed", seed_}, {"options", options_}, {"files", files}};
}

}  // namespace rmkv::lua
