// What is known of a bound function or class: one entry each, written beside the code it describes.
//
// The entry feeds registration, argument checks, help(), completion at the prompt and
// scripts/meta/rmkv.lua. Not here: the calls themselves (bind.h).
#pragma once

#include <cmath>
#include <deque>
#include <string>
#include <vector>

namespace rmkv::lua {

class Call;

// An argument, an option key or a result.
//
// `type` is one of: any, boolean, number, integer, string, function, table, list, options, shape
// (sizes), value (table of plain data), a bound class ("Tensor"), alternatives joined by '|', with
// '?' at the end when it may be absent.  An argument of type "..." takes everything that follows,
// unchecked.
struct Field {
  std::string name;
  std::string type;
  std::string doc;
  std::string fallback = "";  // what an absent value means, as shown in help
  double low = -HUGE_VAL;     // accepted range of a number, ends included
  double high = HUGE_VAL;
  std::string unit = "";  // "tokens", "seconds", "bytes"
  std::vector<Field> keys =
      {};  // type "options": the closed set of keys; empty: checked by the callee
  std::vector<std::string> choices = {};  // type "string": the accepted words
};

struct Function {
  std::string
      name;  // "rmkv.tensor.zeros", "Tensor:sum" for a method, "Batch.token_count" for a property
  std::string doc;  // one sentence, present tense; shapes as [B, T]
  std::vector<Field> args;
  std::vector<Field> returns;
  int (*call)(Call&);       // pushes its results, returns their number
  std::string errors = "";  // what raises beyond wrong arguments
  bool pure = false;  // may be called again when memory ran out: no side effect before its end
  std::string since = "0.1";
};

// A bound class: the type of a handle.  Compared by address.
struct Class {
  std::string name;  // "Tensor"
  std::string doc;
  // Bytes kept alive by an object, and what shares them (objects with the same owner are counted
  // once); null when the class holds nothing worth counting.
  size_t (*bytes)(const void* object) = nullptr;
  const void* (*owner)(const void* object) = nullptr;
};

// The functions and classes of one module, in the order they are documented.
struct Module {
  std::string name;  // "rmkv.tensor"
  std::string doc;
  std::vector<Function> functions;
  std::vector<const Class*> classes = {};
};

// Every module of the program, built once.  Addresses are stable.
const std::deque<Module>& all_modules();
// The module, function or class of that name, or nullptr.
const Module* find_module(const std::string& name);
const Function* find_function(const std::string& name);
const Class* find_class(const std::string& name);
// "Tensor" for the method "Tensor:sum" and for a property, "" for a plain function.
std::string method_class(const Function& function);
// Read as a field of the object, without a call.
bool is_property(const Function& function);
// The part after the last '.' or ':'.
std::string short_name(const std::string& name);

}  // namespace rmkv::lua
