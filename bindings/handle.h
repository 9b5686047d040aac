// Handles: the userdata through which Lua holds C++ objects, their scopes and the memory they keep
// alive.
//
// A handle is one shared pointer with its class, the recipe line that made it and the scope it
// belongs to. `rmkv.scope(fn)` releases what was made inside; releasing drops the pointer and
// leaves a handle that raises when it is used.  Lua's collector sees a few bytes where a tensor
// holds megabytes, so bytes are counted per storage and a collection is run when they have grown
// (the rule of torch7, lib/TH/THGeneral.c).
//
// Threads: a table of handles belongs to one Lua state, hence to one thread.
#pragma once

#include <lua.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings/descriptor.h"

namespace rmkv::lua {

class Host;

struct Handle {
  const Class* type;
  std::shared_ptr<void> object;  // null after release
  const char* made_at;           // interned by the table: "recipes/probe.lua:41"
  int scope;                     // depth of the owning scope, 0 outside of all
  const void* owner;             // what the bytes belong to, null when not counted
  Handle* previous;
  Handle* next;
};

// One line of `rmkv.mem()` and of out-of-memory errors.
struct LiveObject {
  std::string type;
  std::string made_at;
  std::string text;
  uint64_t bytes;
};

class HandleTable {
 public:
  HandleTable();
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  void link(Handle& handle, const std::string& made_at);
  // Drops the object and its bytes; harmless when done twice.
  void release(Handle& handle);
  // The finaliser: releases and forgets.
  void unlink(Handle& handle);

  void enter_scope() { ++depth_; }
  // Moves a handle of the innermost scope to the one around it.
  void promote(Handle& handle);
  // Releases what the innermost scope still owns.
  void leave_scope();

  // True when the bytes made since the last look are worth a full collection.
  bool collection_due() const { return bytes_ > threshold_bytes_; }
  // After a collection: raises the threshold when most of the bytes survived.
  void collection_done(uint64_t bytes_before);

  uint64_t bytes() const { return bytes_; }
  uint64_t peak_bytes() const { return peak_bytes_; }
  uint64_t count() const { return count_; }
  uint64_t collections() const { return collections_; }
  uint64_t threshold_bytes() const { return threshold_bytes_; }
  // Live objects by falling size.
  std::vector<LiveObject> largest(size_t limit) const;

 private:
  struct Storage {
    uint64_t bytes;
    uint64_t handles;
  };

  Handle head_;  // ring of live handles
  int depth_ = 0;
  uint64_t bytes_ = 0;
  uint64_t peak_bytes_ = 0;
  uint64_t count_ = 0;
  uint64_t collections_ = 0;
  // 300 MB: where torch7 starts to look.
  uint64_t threshold_bytes_ = 300u << 20;
  std::unordered_map<const void*, Storage> storages_;
  std::unordered_map<std::string, std::unique_ptr<std::string>> places_;
};

// Pushes a handle of `object`; runs a collection first when one is due.
void push_handle(lua_State* L, Host& host, const Class& type, std::shared_ptr<void> object);
// The handle at `index`, or nullptr when something else is there.
Handle* handle_at(lua_State* L, int index);
// Makes the metatable of a class: its methods, __gc, __tostring, an error with a hint for unknown
// methods.
void register_class(lua_State* L, Host& host, const Class& type);
// Pushes the metatable of a class.
void push_metatable(lua_State* L, const Class& type);

}  // namespace rmkv::lua
