// The binding layer: how a bound C++ function sees its Lua arguments, and the one way its failures
// leave it.
//
// Every bound function runs inside one trampoline (bind.cpp).  It checks the arguments against the
// descriptor, calls, catches std::exception (LibTorch's c10::Error is one) and raises a Lua error
// after the catch block has ended.  Lua's own errors are foreign exceptions that unwind C++ frames;
// nothing here catches them, and no bound code may write catch(...).
#pragma once

#include <lua.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bindings/descriptor.h"
#include "bindings/handle.h"
#include "core/base/error.h"
#include "core/base/value.h"

namespace rmkv::lua {

class Host;

// A mistake of whoever typed the command, not of the recipe: raised without function and place.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Specialised beside each bound class: `template <> const Class& class_of<Tensor>();`
template <typename T>
const Class& class_of();

// The arguments of one call.  Indices are those of the Lua stack (a method's object is 1).
// Arguments have been checked against the descriptor before the function runs; accessors throw
// Error naming the argument all the same.
class Call {
 public:
  Call(lua_State* state, Host& host, const Function& function)
      : L(state), host(host), function(function), count_(lua_gettop(state)) {}

  lua_State* const L;
  Host& host;
  const Function& function;

  int count() const { return count_; }
  bool has(int index) const { return index <= count_ && !lua_isnil(L, index); }

  bool boolean(int index, bool fallback = false) const;
  double number(int index) const;
  double number(int index, double fallback) const;
  int64_t integer(int index) const;
  int64_t integer(int index, int64_t fallback) const;
  std::string_view text(int index) const;  // valid while the argument is on the stack
  std::string string(int index) const { return std::string(text(index)); }
  std::string string(int index, const std::string& fallback) const;
  // A list of integers: a Lua list at `index`, or all arguments from `index` on.
  std::vector<int64_t> integers(int index) const;
  Value value(int index) const;
  // The table at `index` as options; empty when absent.
  Table table(int index) const;

  // The object of a handle; throws when it is another class or has been released.
  template <typename T>
  T& object(int index) const {
    return *static_cast<T*>(checked(index, class_of<T>())->object.get());
  }
  template <typename T>
  std::shared_ptr<T> shared(int index) const {
    return std::static_pointer_cast<T>(checked(index, class_of<T>())->object);
  }
  template <typename T>
  bool is(int index) const {
    const Handle* handle = handle_at(L, index);
    return handle && handle->type == &class_of<T>();
  }

  // Results: each pushes one value and returns 1, so that a function can end with `return
  // c.push(x)`.
  int push(bool x) const { return lua_pushboolean(L, x), 1; }
  int push(double x) const { return lua_pushnumber(L, x), 1; }
  int push(int64_t x) const;
  int push(int x) const { return push(static_cast<int64_t>(x)); }
  int push(uint64_t x) const { return push(static_cast<int64_t>(x)); }
  int push(std::string_view x) const { return lua_pushlstring(L, x.data(), x.size()), 1; }
  int push(const std::string& x) const { return push(std::string_view(x)); }
  int push(const char* x) const { return lua_pushstring(L, x), 1; }
  int push(const Value& x) const;
  int push(const std::vector<int64_t>& list) const;
  int push(const std::vector<std::string>& list) const;
  template <typename T>
  int push_object(std::shared_ptr<T> object) const {
    push_handle(L, host, class_of<T>(),
                std::const_pointer_cast<std::remove_const_t<T>>(std::move(object)));
    return 1;
  }
  template <typename T>
  int push_new(T object) const {
    return push_object(std::make_shared<T>(std::move(object)));
  }
  int push_nil() const { return lua_pushnil(L), 1; }
  // An expected absence: nil and why.
  int absent(std::string_view message) const { return lua_pushnil(L), push(message), 2; }

  // "name" of the argument at `index`, for messages.
  std::string argument_name(int index) const;
  // Throws "name: got <what is at index>, expected <expected>".
  [[noreturn]] void wrong(int index, const std::string& expected) const;

 private:
  Handle* checked(int index, const Class& type) const;

  int count_;
};

// Pushes the bound function as a Lua function.
void push_function(lua_State* L, Host& host, const Function& function);
// The descriptor of the bound function at `index`, nullptr for any other function.
const Function* function_of(lua_State* L, int index);

// Short text of the value at `index` for messages: "string 'abc'", "nil", "Tensor fp32 [2, 3]".
std::string describe(lua_State* L, int index);

// "recipes/pretrain.lua:12", the innermost line of Lua code, or "" outside of any.
std::string lua_place(lua_State* L, int level = 0);

}  // namespace rmkv::lua
