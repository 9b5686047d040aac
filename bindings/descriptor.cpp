// The list of modules.
#include "bindings/descriptor.h"

#include <cctype>
#include <unordered_map>

#include "bindings/modules.h"

namespace rmkv::lua {

const std::deque<Module>& all_modules() {
  static const std::deque<Module> modules = make_modules();
  return modules;
}

const Module* find_module(const std::string& name) {
  for (const Module& module : all_modules()) {
    if (module.name == name) return &module;
  }
  return nullptr;
}

const Function* find_function(const std::string& name) {
  static const auto index = [] {
    std::unordered_map<std::string, const Function*> all;
    for (const Module& module : all_modules()) {
      for (const Function& function : module.functions) all[function.name] = &function;
    }
    return all;
  }();
  auto place = index.find(name);
  return place == index.end() ? nullptr : place->second;
}

const Class* find_class(const std::string& name) {
  for (const Module& module : all_modules()) {
    for (const Class* type : module.classes) {
      if (type->name == name) return type;
    }
  }
  return nullptr;
}

std::string method_class(const Function& function) {
  size_t end = function.name.find(':');
  if (is_property(function)) end = function.name.find('.');
  return end == std::string::npos ? "" : function.name.substr(0, end);
}

bool is_property(const Function& function) {
  return std::isupper(static_cast<unsigned char>(function.name[0])) &&
         function.name.find(':') == std::string::npos;
}

std::string short_name(const std::string& name) {
  size_t at = name.find_last_of(".:");
  return at == std::string::npos ? name : name.substr(at + 1);
}

}  // namespace rmkv::lua
