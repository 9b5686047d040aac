// Help texts and editor definitions, both from the descriptors.
#pragma once

#include <string>

#include "bindings/descriptor.h"

namespace rmkv::lua {

// "rmkv.tensor.zeros(shape, options?) -> Tensor"
std::string signature(const Function& function);
std::string function_help(const Function& function);
std::string module_help(const Module& module);
std::string class_help(const Class& type);
std::string overview_help();
// Help for a dotted name, a class, or a method as "Tensor:sum"; throws with the nearest name.
std::string help_for(const std::string& name);

// scripts/meta/rmkv.lua: LuaCATS definitions of everything bound.
std::string meta_text();

// `text` broken at blanks to at most `width` columns, later lines indented by `indent` blanks.
std::string wrap_text(const std::string& text, size_t width, size_t indent);

}  // namespace rmkv::lua
