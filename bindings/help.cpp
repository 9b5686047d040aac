// help() and scripts/meta/rmkv.lua.
#include "bindings/help.h"

#include <algorithm>
#include <cmath>

#include "bindings/version.h"
#include "core/base/error.h"
#include "core/base/value.h"

namespace rmkv::lua {

namespace {

constexpr size_t kWidth = 100;

bool is_optional(const Field& field) {
  return !field.type.empty() && field.type.back() == '?';
}

std::string bare_type(const Field& field) {
  return is_optional(field) ? field.type.substr(0, field.type.size() - 1) : field.type;
}

std::string number_text(double x) {
  if (x == std::floor(x) && std::fabs(x) < 1e15) return std::to_string(static_cast<int64_t>(x));
  return Value(x).to_text();
}

// "integer, 1 .. 8, tokens, default 1": the facts after a name.
std::string facts_text(const Field& field) {
  std::string text = bare_type(field);
  for (size_t at; (at = text.find('|')) != std::string::npos;) text.replace(at, 1, " or ");
  if (text == "...") text = "any number of values";
  // 2^53 bounds what a Lua number holds exactly, not what is sensible.
  bool low = !std::isinf(field.low), high = field.high < 9007199254740992.0;
  if (low && high)
    text += ", " + number_text(field.low) + " .. " + number_text(field.high);
  else if (low)
    text += ", at least " + number_text(field.low);
  else if (high)
    text += ", at most " + number_text(field.high);
  if (!field.unit.empty()) text += ", " + field.unit;
  if (!field.choices.empty()) {
    text += ": ";
    for (size_t i = 0; i < field.choices.size(); ++i) text += (i ? ", " : "") + field.choices[i];
  }
  if (!field.fallback.empty())
    text += ", default " + field.fallback;
  else if (is_optional(field))
    text += ", may be left out";
  return text;
}

void add_field(std::string& text, const Field& field, size_t indent) {
  std::string head = std::string(indent, ' ') + (field.name.empty() ? "" : field.name + ": ");
  std::string line = head + facts_text(field);
  if (!field.doc.empty()) line += ". " + field.doc;
  text += wrap_text(line, kWidth, indent + 4) + "\n";
  for (const Field& key : field.keys) add_field(text, key, indent + 4);
}

// LuaCATS type of a field.
std::string lua_type(const Field& field, const std::string& class_name) {
  if (field.type == "...") return "any";
  if (!field.keys.empty()) return class_name;
  std::string type = bare_type(field), out;
  for (size_t start = 0; start <= type.size();) {
    size_t end = std::min(type.find('|', start), type.size());
    std::string word = type.substr(start, end - start);
    start = end + 1;
    if (word == "list" || word == "options" || word == "value")
      word = word == "value" ? "any" : "table";
    else if (word == "shape")
      word = "integer[]|integer";
    else if (std::isupper(static_cast<unsigned char>(word[0])))
      word = "rmkv." + word;
    out += (out.empty() ? "" : "|") + word;
  }
  return out;
}

void add_meta_function(std::string& text, const Function& function, const std::string& target) {
  std::string type_name = function.name;
  std::replace(type_name.begin(), type_name.end(), ':', '.');
  for (const Field& field : function.args) {
    if (field.keys.empty()) continue;
    text += "---@class " + type_name + "." + field.name + "\n";
    for (const Field& key : field.keys) {
      text += "---@field " + key.name + (is_optional(key) ? "? " : " ") + lua_type(key, "table");
      std::string doc = key.doc + (key.fallback.empty() ? "" : " (default " + key.fallback + ")");
      text += (doc.empty() ? "" : " " + doc) + "\n";
    }
    text += "\n";
  }
  text += "---" + function.doc + "\n";
  if (!function.errors.empty()) text += "---\n---Raises " + function.errors + "\n";
  std::string names;
  for (const Field& field : function.args) {
    bool variadic = field.type == "...";
    std::string name = variadic ? "..." : field.name;
    names += (names.empty() ? "" : ", ") + name;
    text += "---@param " + name + (is_optional(field) ? "? " : " ") +
            lua_type(field, type_name + "." + field.name) +
            (field.doc.empty() ? "" : " " + field.doc) + "\n";
  }
  for (const Field& field : function.returns) {
    text += "---@return " + lua_type(field, "table") + (is_optional(field) ? "?" : "") +
            (field.name.empty() ? "" : " " + field.name) +
            (field.doc.empty() ? "" : " # " + field.doc) + "\n";
  }
  text += "function " + target + "(" + names + ") end\n\n";
}

}  // namespace

std::string wrap_text(const std::string& text, size_t width, size_t indent) {
  std::string out, line;
  size_t start = 0;
  auto flush = [&] {
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += (out.empty() ? "" : "\n") + line;
    line = std::string(indent, ' ');
  };
  size_t content = 0;  // words on the current line
  while (start < text.size()) {
    size_t end = start;
    while (end < text.size() && text[end] == ' ') ++end;  // keeps leading blanks
    while (end < text.size() && text[end] != ' ') ++end;
    std::string word = text.substr(start, end - start);
    start = end;
    if (content && line.size() + word.size() > width) {
      flush();
      content = 0;
      word.erase(0, word.find_first_not_of(' '));
    }
    line += word;
    ++content;
  }
  flush();
  return out;
}

std::string signature(const Function& function) {
  if (is_property(function)) return function.name + " -> " + bare_type(function.returns.at(0));
  std::string text = function.name + "(";
  for (size_t i = 0; i < function.args.size(); ++i) {
    const Field& field = function.args[i];
    text += (i ? ", " : "") + (field.type == "..." ? "..." : field.name) +
            (is_optional(field) ? "?" : "");
  }
  text += ")";
  for (size_t i = 0; i < function.returns.size(); ++i) {
    const Field& field = function.returns[i];
    text += (i ? ", " : " -> ") + (field.name.empty() ? bare_type(field) : field.name);
  }
  return text;
}

std::string function_help(const Function& function) {
  std::string text = signature(function) + "\n" + wrap_text("  " + function.doc, kWidth, 2) + "\n";
  for (const Field& field : function.args) add_field(text, field, 2);
  for (const Field& field : function.returns) {
    std::string name = field.name;
    Field shown = field;
    shown.name = "returns" + (name.empty() ? "" : " " + name);
    shown.fallback = "";
    add_field(text, shown, 2);
  }
  if (!function.errors.empty()) text += wrap_text("  raises: " + function.errors, kWidth, 4) + "\n";
  return text + "  since " + function.since + "\n";
}

namespace {
void add_list(std::string& text, const std::vector<const Function*>& functions) {
  for (const Function* function : functions) {
    text += wrap_text("  " + signature(*function), kWidth, 6) + "\n";
    text += wrap_text("      " + function->doc, kWidth, 6) + "\n";
  }
}
}  // namespace

std::string module_help(const Module& module) {
  std::string text = module.name + ": " + module.doc + "\n";
  std::vector<const Function*> plain;
  for (const Function& function : module.functions) {
    if (method_class(function).empty()) plain.push_back(&function);
  }
  add_list(text, plain);
  for (const Class* type : module.classes) text += "\n" + class_help(*type);
  return text;
}

std::string class_help(const Class& type) {
  std::string text = type.name + ": " + type.doc + "\n";
  std::vector<const Function*> methods;
  for (const Module& module : all_modules()) {
    for (const Function& function : module.functions) {
      if (method_class(function) == type.name && short_name(function.name).rfind("__", 0) != 0) {
        methods.push_back(&function);
      }
    }
  }
  add_list(text, methods);
  return text;
}

std::string overview_help() {
  std::string text = "rmkv " + std::string(kVersion) + "\n";
  for (const Module& module : all_modules()) {
    text += wrap_text("  " + module.name +
                          std::string(module.name.size() < 16 ? 16 - module.name.size() : 1, ' ') +
                          "  " + module.doc,
                      kWidth, 20) +
            "\n";
  }
  return text +
         "help(x) or help \"name\" tells more of a module, function, class or value.\n"
         "Positions and dimensions count from 1, negative ones from the end; token ids are raw, "
         "from 0.\n";
}

std::string help_for(const std::string& name) {
  if (const Module* module = find_module(name)) return module_help(*module);
  if (const Function* function = find_function(name)) return function_help(*function);
  if (const Class* type = find_class(name)) return class_help(*type);
  std::vector<std::string> names;
  for (const Module& module : all_modules()) {
    names.push_back(module.name);
    for (const Class* type : module.classes) names.push_back(type->name);
    for (const Function& function : module.functions) {
      names.push_back(function.name);
      // A short name is enough where it leads somewhere.
      if (short_name(function.name) == name) return function_help(function);
    }
    if (short_name(module.name) == name) return module_help(module);
  }
  std::string near = nearest_name(name, names);
  fail("help", "'" + name + "'",
       near.empty() ? "a name listed by help()"
                    : "a name listed by help(); did you mean '" + near + "'?");
}

std::string meta_text() {
  std::string text =
      "---@meta rmkv\n"
      "-- Definitions of the rmkv API for editors (LuaCATS).  Written by `rmkv --meta`; do not "
      "edit.\n\n"
      "---@class rmkv\n"
      "---@field version string\n"
      "---@field root string the folder that holds recipes/\n"
      "---@field recipe string the running recipe, \"\" for none\n"
      "---@field args string[] words after the recipe\n"
      "rmkv = {}\n\n";
  for (const Module& module : all_modules()) {
    for (const Class* type : module.classes) {
      text += "---" + type->doc + "\n---@class rmkv." + type->name + "\n";
      for (const Function& function : module.functions) {
        if (!is_property(function) || method_class(function) != type->name) continue;
        text += "---@field " + short_name(function.name) + " " +
                lua_type(function.returns.at(0), "table") + " " + function.doc + "\n";
      }
      text += "local " + type->name + " = {}\n\n";
    }
  }
  for (const Module& module : all_modules()) {
    if (module.name != "rmkv") text += "---" + module.doc + "\n" + module.name + " = {}\n\n";
    for (const Function& function : module.functions) {
      if (short_name(function.name).rfind("__", 0) == 0 || is_property(function)) continue;
      add_meta_function(text, function, function.name);
    }
  }
  text.pop_back();
  return text;
}

}  // namespace rmkv::lua
