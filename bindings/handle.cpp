// Handle table, scopes and byte accounting.
#include "bindings/handle.h"

#include <algorithm>
#include <new>

#include "bindings/bind.h"
#include "bindings/host.h"
#include "bindings/object_text.h"
#include "core/base/error.h"

namespace rmkv::lua {

namespace {
// Registry keys and userdata marks are addresses.
char g_handle_mark;
}  // namespace

HandleTable::HandleTable() {
  head_ = Handle{};
  head_.previous = head_.next = &head_;
}

void HandleTable::link(Handle& handle, const std::string& made_at) {
  auto& place = places_[made_at];
  if (!place) place = std::make_unique<std::string>(made_at);
  handle.made_at = place->c_str();
  handle.scope = depth_;
  handle.previous = head_.previous;
  handle.next = &head_;
  head_.previous->next = &handle;
  head_.previous = &handle;
  ++count_;
  handle.owner = nullptr;
  if (!handle.type->bytes) return;
  handle.owner = handle.type->owner(handle.object.get());
  if (!handle.owner) return;
  Storage& storage = storages_[handle.owner];
  if (storage.handles++ == 0) {
    storage.bytes = handle.type->bytes(handle.object.get());
    bytes_ += storage.bytes;
    peak_bytes_ = std::max(peak_bytes_, bytes_);
  }
}

void HandleTable::release(Handle& handle) {
  if (!handle.object) return;
  if (handle.owner) {
    auto place = storages_.find(handle.owner);
    if (--place->second.handles == 0) {
      bytes_ -= place->second.bytes;
      storages_.erase(place);
    }
  }
  handle.owner = nullptr;
  --count_;
  // Last: the object's destructor may take long, and the table is consistent by now.
  std::shared_ptr<void> object = std::move(handle.object);
  handle.object = nullptr;
}

void HandleTable::unlink(Handle& handle) {
  release(handle);
  handle.previous->next = handle.next;
  handle.next->previous = handle.previous;
}

void HandleTable::promote(Handle& handle) {
  if (handle.scope == depth_ && depth_ > 0) --handle.scope;
}

void HandleTable::leave_scope() {
  // Newest first, as C++ would destroy them.
  for (Handle* handle = head_.previous; handle != &head_; handle = handle->previous) {
    if (handle->scope == depth_) release(*handle);
  }
  --depth_;
}

void HandleTable::collection_done(uint64_t bytes_before) {
  ++collections_;
  // torch7's rule: when more than 80 % survived, the program needs that much; look again at 40 %
  // more.
  if (bytes_ > bytes_before * 8 / 10) threshold_bytes_ = bytes_ * 14 / 10;
}

std::vector<LiveObject> HandleTable::largest(size_t limit) const {
  std::vector<LiveObject> objects;
  for (Handle* handle = head_.next; handle != &head_; handle = handle->next) {
    if (!handle->object) continue;
    uint64_t bytes = handle->type->bytes ? handle->type->bytes(handle->object.get()) : 0;
    objects.push_back({handle->type->name, handle->made_at, "", bytes});
  }
  std::stable_sort(objects.begin(), objects.end(),
                   [](const LiveObject& a, const LiveObject& b) { return a.bytes > b.bytes; });
  if (objects.size() > limit) objects.resize(limit);
  return objects;
}

void push_handle(lua_State* L, Host& host, const Class& type, std::shared_ptr<void> object) {
  HandleTable& handles = host.handles();
  if (handles.collection_due()) {
    uint64_t before = handles.bytes();
    lua_gc(L, LUA_GCCOLLECT, 0);
    handles.collection_done(before);
  }
  std::string place = lua_place(L);
  auto* handle = new (lua_newuserdata(L, sizeof(Handle))) Handle{};
  handle->type = &type;
  handle->object = std::move(object);
  handles.link(*handle, place);
  push_metatable(L, type);
  lua_setmetatable(L, -2);
}

Handle* handle_at(lua_State* L, int index) {
  void* data = lua_touserdata(L, index);
  if (!data || !lua_getmetatable(L, index)) return nullptr;
  lua_pushlightuserdata(L, &g_handle_mark);
  lua_rawget(L, -2);
  bool ours = lua_toboolean(L, -1);
  lua_pop(L, 2);
  return ours ? static_cast<Handle*>(data) : nullptr;
}

namespace {

int collect_handle(lua_State* L) {
  auto* handle = static_cast<Handle*>(lua_touserdata(L, 1));
  Host::of(L).handles().unlink(*handle);
  return 0;
}

int handle_to_text(lua_State* L) {
  {
    std::string text = object_text(*static_cast<Handle*>(lua_touserdata(L, 1)), true);
    lua_pushlstring(L, text.data(), text.size());
  }
  return 1;
}

// __index of an object with properties: a method, else the value of a property, else nil for
// unknown_method.
int index_properties(lua_State* L) {
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_gettable(L, lua_upvalueindex(1));
    return 1;
  }
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

// __index of the methods table: reached for unknown names only.
int unknown_method(lua_State* L) {
  auto* type = static_cast<const Class*>(lua_touserdata(L, lua_upvalueindex(1)));
  {
    std::string name = describe(L, 2);
    std::vector<std::string> names;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
      lua_pop(L, 1);
      if (lua_type(L, -1) == LUA_TSTRING) names.push_back(lua_tostring(L, -1));
    }
    for (const Module& module : all_modules()) {
      for (const Function& function : module.functions) {
        if (is_property(function) && method_class(function) == type->name)
          names.push_back(short_name(function.name));
      }
    }
    std::sort(names.begin(), names.end());
    if (lua_type(L, 2) == LUA_TSTRING) name = lua_tostring(L, 2);
    std::string text = lua_place(L) + ": " + unknown_name_text(type->name + " member", name, names);
    lua_pushlstring(L, text.data(), text.size());
  }
  return lua_error(L);
}

}  // namespace

void push_metatable(lua_State* L, const Class& type) {
  lua_pushlightuserdata(L, const_cast<Class*>(&type));
  lua_rawget(L, LUA_REGISTRYINDEX);
}

void register_class(lua_State* L, Host& host, const Class& type) {
  lua_pushlightuserdata(L, const_cast<Class*>(&type));
  lua_newtable(L);  // metatable
  lua_pushlightuserdata(L, &g_handle_mark);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pushcfunction(L, collect_handle);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, handle_to_text);
  lua_setfield(L, -2, "__tostring");
  // What getmetatable() shows to recipes: nothing that could be changed.
  lua_pushstring(L, type.name.c_str());
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);  // methods
  lua_newtable(L);  // properties
  bool has_properties = false;
  for (const Module& module : all_modules()) {
    for (const Function& function : module.functions) {
      if (method_class(function) != type.name) continue;
      std::string name = short_name(function.name);
      push_function(L, host, function);
      has_properties = has_properties || is_property(function);
      int target = name.rfind("__", 0) == 0 ? -4 : is_property(function) ? -2 : -3;
      lua_setfield(L, target, name.c_str());
    }
  }
  lua_newtable(L);
  lua_pushlightuserdata(L, const_cast<Class*>(&type));
  lua_pushcclosure(L, unknown_method, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -3);
  // Stack: metatable, methods, properties.
  if (has_properties) {
    lua_pushcclosure(L, index_properties, 2);
  } else {
    lua_pop(L, 1);
  }
  lua_setfield(L, -2, "__index");
  lua_rawset(L, LUA_REGISTRYINDEX);
}

}  // namespace rmkv::lua
