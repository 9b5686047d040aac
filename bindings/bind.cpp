// The trampoline of bound functions and the checks of their arguments; accessors are in call.cpp.
#include "bindings/bind.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <unordered_map>

#include "bindings/host.h"
#include "bindings/interrupt.h"
#include "core/base/cancel.h"
#include "core/base/error.h"

namespace rmkv::lua {

namespace {

// The type text of a Field, taken apart once.
struct TypeTest {
  bool any = false;
  bool optional = false;
  bool integer = false;  // a number must be whole
  uint32_t lua_types = 0;
  std::vector<const Class*> classes;
};

struct FieldTest {
  const Field* field;
  TypeTest type;
  std::vector<FieldTest> keys;
};

// A function with its prepared checks; the upvalue of every bound Lua function.
struct Bound {
  const Function* function;
  const Class* object = nullptr;  // class of a method's first argument
  bool variadic = false;
  std::vector<FieldTest> args;
};

uint32_t bit(int lua_type) {
  return uint32_t{1} << lua_type;
}

TypeTest parse_type(std::string text) {
  TypeTest test;
  if (!text.empty() && text.back() == '?') {
    test.optional = true;
    text.pop_back();
  }
  for (size_t start = 0; start <= text.size();) {
    size_t end = std::min(text.find('|', start), text.size());
    std::string word = text.substr(start, end - start);
    start = end + 1;
    if (word == "any")
      test.any = true;
    else if (word == "boolean")
      test.lua_types |= bit(LUA_TBOOLEAN);
    else if (word == "number")
      test.lua_types |= bit(LUA_TNUMBER);
    else if (word == "string")
      test.lua_types |= bit(LUA_TSTRING);
    else if (word == "function")
      test.lua_types |= bit(LUA_TFUNCTION);
    else if (word == "table" || word == "list" || word == "options")
      test.lua_types |= bit(LUA_TTABLE);
    else if (word == "shape")
      test.lua_types |= bit(LUA_TTABLE) | bit(LUA_TNUMBER);
    else if (word == "integer") {
      test.lua_types |= bit(LUA_TNUMBER);
      test.integer = true;
    } else if (word == "value") {
      test.lua_types |= bit(LUA_TBOOLEAN) | bit(LUA_TNUMBER) | bit(LUA_TSTRING) | bit(LUA_TTABLE);
      test.optional = true;
    } else if (const Class* type = find_class(word)) {
      test.classes.push_back(type);
    } else {
      throw std::logic_error("descriptor: unknown type '" + word + "'");
    }
  }
  return test;
}

FieldTest prepare(const Field& field) {
  FieldTest test{&field, parse_type(field.type), {}};
  for (const Field& key : field.keys) test.keys.push_back(prepare(key));
  return test;
}

const Bound& bound_of(const Function& function) {
  // Worker states register functions too, on their own threads.
  static std::mutex mutex;
  static std::unordered_map<const Function*, std::unique_ptr<Bound>> all;
  std::lock_guard lock(mutex);
  auto& bound = all[&function];
  if (bound) return *bound;
  bound = std::make_unique<Bound>();
  bound->function = &function;
  std::string owner = method_class(function);
  // Operators may have the object on the right; they list both operands.
  bool is_operator = short_name(function.name).rfind("__", 0) == 0 && !function.args.empty() &&
                     function.args[0].name == "a";
  if (!owner.empty() && !is_operator) bound->object = find_class(owner);
  for (const Field& field : function.args) {
    if (field.type == "...")
      bound->variadic = true;
    else
      bound->args.push_back(prepare(field));
  }
  return *bound;
}

std::string range_text(const Field& field) {
  auto text = [](double x) {
    return Value(x == std::floor(x) && std::fabs(x) < 1e15 ? Value(static_cast<int64_t>(x))
                                                           : Value(x))
        .to_text();
  };
  std::string unit = field.unit.empty() ? "" : " " + field.unit;
  if (std::isinf(field.high)) return "at least " + text(field.low) + unit;
  if (std::isinf(field.low)) return "at most " + text(field.high) + unit;
  return text(field.low) + " .. " + text(field.high) + unit;
}

std::string expected_text(const Field& field, const TypeTest& type) {
  std::string text = field.type;
  if (type.optional && text.back() == '?') text.pop_back();
  for (size_t at; (at = text.find('|')) != std::string::npos;) text.replace(at, 1, " or ");
  if (text != "options") return text;
  text = "a table of options";
  if (field.keys.empty()) return text;
  for (size_t i = 0; i < field.keys.size() && i < 4; ++i)
    text += (i ? ", " : " { ") + field.keys[i].name + " = ...";
  return text + (field.keys.size() > 4 ? ", ... }" : " }");
}

void check_field(lua_State* L, int index, const FieldTest& test, const std::string& where);

// The closed set of keys of an options table at `index`.
void check_keys(lua_State* L, int index, const FieldTest& test, const std::string& where) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      fail(where, "the key " + describe(L, lua_gettop(L) - 1), "named options only");
    }
    std::string key = lua_tostring(L, -2);
    auto found = std::find_if(test.keys.begin(), test.keys.end(),
                              [&](const FieldTest& k) { return k.field->name == key; });
    if (found == test.keys.end()) {
      std::vector<std::string> names;
      for (const FieldTest& k : test.keys) names.push_back(k.field->name);
      fail_because(where, unknown_name_text("key", key, names));
    }
    check_field(L, lua_gettop(L), *found, where + "." + key);
    lua_pop(L, 1);
  }
  for (const FieldTest& key : test.keys) {
    if (key.type.optional) continue;
    lua_getfield(L, index, key.field->name.c_str());
    if (lua_isnil(L, -1)) {
      fail(where + "." + key.field->name, "nothing", expected_text(*key.field, key.type));
    }
    lua_pop(L, 1);
  }
}

void check_field(lua_State* L, int index, const FieldTest& test, const std::string& where) {
  const Field& field = *test.field;
  int type = lua_type(L, index);
  if (type == LUA_TNONE || type == LUA_TNIL) {
    if (test.type.optional) return;
    if (test.type.any && type == LUA_TNIL) return;
    fail(where, type == LUA_TNIL ? "nil" : "nothing", expected_text(field, test.type));
  }
  if (test.type.any) return;
  if (type == LUA_TUSERDATA) {
    Handle* handle = handle_at(L, index);
    bool fits = handle && std::find(test.type.classes.begin(), test.type.classes.end(),
                                    handle->type) != test.type.classes.end();
    if (!fits) fail(where, describe(L, index), expected_text(field, test.type));
    return;
  }
  if (!(test.type.lua_types & bit(type))) {
    fail(where, describe(L, index), expected_text(field, test.type));
  }
  if (type == LUA_TNUMBER) {
    double x = lua_tonumber(L, index);
    if (test.type.integer && (std::nearbyint(x) != x || std::fabs(x) > 9007199254740992.0)) {
      fail(where, describe(L, index), "a whole number");
    }
    if (!(x >= field.low && x <= field.high) &&
        !(std::isinf(field.low) && std::isinf(field.high))) {
      fail(where, describe(L, index), range_text(field));
    }
  } else if (type == LUA_TSTRING && !field.choices.empty()) {
    std::string word = lua_tostring(L, index);
    if (std::find(field.choices.begin(), field.choices.end(), word) == field.choices.end()) {
      fail_because(where, unknown_name_text("choice", word, field.choices));
    }
  } else if (type == LUA_TTABLE && !test.keys.empty()) {
    check_keys(L, index, test, where);
  }
}

void check_arguments(lua_State* L, const Bound& bound) {
  int first = 1;
  int count = lua_gettop(L);
  if (bound.object) {
    Handle* handle = handle_at(L, 1);
    if (!handle || handle->type != bound.object) {
      fail("object", count ? describe(L, 1) : "nothing", bound.object->name,
           "call methods with a colon: object:" + short_name(bound.function->name) + "(...)");
    }
    first = 2;
  }
  int given = count - first + 1;
  if (!bound.variadic && given > static_cast<int>(bound.args.size())) {
    fail("arguments", std::to_string(given), "at most " + std::to_string(bound.args.size()));
  }
  for (size_t i = 0; i < bound.args.size(); ++i) {
    check_field(L, first + static_cast<int>(i), bound.args[i], bound.args[i].field->name);
  }
}

// LibTorch appends a C++ backtrace, which says nothing to a recipe.
std::string clean_text(const std::exception& error) {
  auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return true;
  // The CPU allocator throws a plain c10::Error; its text is the only mark
  // (c10/core/impl/alloc_cpu.cpp).
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
         std::strstr(error.what(), "DefaultCPUAllocator") != nullptr;
}

std::string largest_text(const HandleTable& handles) {
  std::string text = "\nlive objects: " + std::to_string(handles.count()) + ", " +
                     std::to_string(handles.bytes() >> 20) + " MiB of tensors; the largest:";
  for (const LiveObject& object : handles.largest(10)) {
    if (object.bytes == 0) break;
    text += "\n  " + object.type + " " + std::to_string(object.bytes >> 20) + " MiB made at " +
            object.made_at;
  }
  text +=
      "\nhint: smaller batches or fewer segments need less; rmkv.scope releases what is not needed";
  return text;
}

enum class Outcome { kDone, kFailed, kRetry };

// Calls once; on failure `message` holds the text without its place, and `placed` tells whether it
// is to get one.
Outcome attempt(Call& call, const Bound& bound, bool may_retry, int& results, std::string& message,
                bool& placed) {
  bool interrupted = false;
  Outcome outcome = Outcome::kFailed;
  try {
    if (cancel_requested() && takes_interrupts(call.host.state()))
      check_cancelled(bound.function->name);
    results = bound.function->call(call);
    return Outcome::kDone;
  } catch (const Interrupted& error) {
    message = error.what();
    interrupted = true;
  } catch (const UsageError& error) {
    message = error.what();
    placed = false;
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) {
      if (may_retry)
        outcome = Outcome::kRetry;
      else
        message = "out of memory: " + clean_text(error) + largest_text(call.host.handles());
    } else {
      message = clean_text(error);
    }
  }
  if (interrupted && takes_interrupts(call.host.state())) mark_interrupted(call.L);
  return outcome;
}

int trampoline(lua_State* L) {
  auto& bound = *static_cast<const Bound*>(lua_touserdata(L, lua_upvalueindex(1)));
  auto& host = *static_cast<Host*>(lua_touserdata(L, lua_upvalueindex(2)));
  {
    std::string message;
    int results = 0;
    bool placed = true;
    int top = lua_gettop(L);
    Outcome outcome = Outcome::kFailed;
    try {
      check_arguments(L, bound);
      outcome = Outcome::kDone;
    } catch (const std::exception& error) {
      message = error.what();
    }
    if (outcome == Outcome::kDone) {
      Call call(L, host, *bound.function);
      outcome = attempt(call, bound, bound.function->pure, results, message, placed);
      if (outcome == Outcome::kDone) return results;
      if (outcome == Outcome::kRetry) {
        lua_settop(L, top);
        lua_gc(L, LUA_GCCOLLECT, 0);
        lua_gc(L, LUA_GCCOLLECT, 0);  // what finalisers freed in the first
        outcome = attempt(call, bound, false, results, message, placed);
        if (outcome == Outcome::kDone) return results;
      }
    }
    if (placed) {
      const std::string& name = bound.function->name;
      // Core messages open with their own place, which may be this very function.
      if (message.rfind(name, 0) != 0 && message.rfind("rmkv.", 0) != 0)
        message = name + ": " + message;
      std::string place = lua_place(L);
      if (!place.empty()) message = place + ": " + message;
    }
    lua_pushlstring(L, message.data(), message.size());
  }
  return lua_error(L);
}

}  // namespace

void push_function(lua_State* L, Host& host, const Function& function) {
  lua_pushlightuserdata(L, const_cast<Bound*>(&bound_of(function)));
  lua_pushlightuserdata(L, &host);
  lua_pushcclosure(L, trampoline, 2);
}

const Function* function_of(lua_State* L, int index) {
  if (lua_tocfunction(L, index) != trampoline || !lua_getupvalue(L, index, 1)) return nullptr;
  auto* bound = static_cast<const Bound*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  return bound->function;
}

}  // namespace rmkv::lua
