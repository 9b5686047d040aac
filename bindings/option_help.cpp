// The text of --help.
#include <algorithm>

#include "bindings/help.h"
#include "bindings/options.h"

namespace rmkv::lua {

namespace {

// A default as one line of help.
std::string shown_default(const Value& value) {
  if (!value.is_string()) return value.to_text();
  std::string text;
  for (char c : value.as_string()) text += c == '\n' ? "\\n" : std::string(1, c);
  return text;
}

}  // namespace

std::string OptionSet::help_text(const std::string& command, const std::string& title,
                                 size_t width) const {
  std::vector<const OptionSpec*> named, placed;
  for (const OptionSpec& spec : specs_) (spec.positional ? placed : named).push_back(&spec);
  auto by_name = [](const OptionSpec* a, const OptionSpec* b) { return a->name < b->name; };
  std::sort(named.begin(), named.end(), by_name);
  std::sort(placed.begin(), placed.end(),
            [](auto* a, auto* b) { return a->positional < b->positional; });
  std::string text = "usage: rmkv " + command;
  for (const OptionSpec* spec : placed) {
    std::string word = spec->name + (spec->type == OptionType::kList ? "..." : "");
    text += spec->required ? " " + word : " [" + word + "]";
  }
  text += " [options]\n";
  if (!title.empty()) text += "\n" + title + "\n";
  text += "\noptions:\n";
  std::vector<std::pair<std::string, std::string>> rows;
  auto add_row = [&](const OptionSpec& spec) {
    std::string head = spec.positional ? spec.name : dashed(spec.name);
    // What is on is named as it is switched off.
    if (spec.type == OptionType::kBoolean && spec.fallback.is_bool() && spec.fallback.as_bool())
      head = "--[no-]" + head.substr(2);
    OptionType shown = spec.type == OptionType::kList ? spec.item_type : spec.type;
    if (!spec.positional) {
      if (shown == OptionType::kNumber || shown == OptionType::kInteger)
        head += " N";
      else if (shown == OptionType::kString)
        head += " TEXT";
      else if (shown == OptionType::kTable)
        head = "--set " + spec.name + ".KEY=VALUE";
    }
    std::string body = spec.help, facts;
    auto fact = [&](const std::string& x) { facts += (facts.empty() ? "" : "; ") + x; };
    if (!spec.choices.empty()) {
      std::string all;
      for (const std::string& choice : spec.choices) all += (all.empty() ? "" : ", ") + choice;
      fact("one of " + all);
    }
    if (spec.type == OptionType::kList) fact("may be repeated");
    if (spec.required) fact("required");
    bool empty = spec.fallback.is_nil() ||
                 (spec.fallback.is_string() && spec.fallback.as_string().empty()) ||
                 (spec.fallback.is_table() && spec.fallback.as_table().empty());
    if (!empty) {
      std::string value;
      if (spec.fallback.is_list()) {
        for (const Value& item : spec.fallback.as_list())
          value += (value.empty() ? "" : " ") + shown_default(item);
      } else {
        value = shown_default(spec.fallback);
      }
      if (!value.empty()) fact("default " + value);
    }
    if (!facts.empty()) body += (body.empty() ? "(" : " (") + facts + ")";
    rows.emplace_back(head, body);
  };
  for (const OptionSpec* spec : placed) add_row(*spec);
  for (const OptionSpec* spec : named) add_row(*spec);
  rows.emplace_back("--config FILE",
                    "a TOML file with any of these options; the command line wins");
  rows.emplace_back("--set NAME=VALUE", "sets one option; NAME.KEY=VALUE sets a key of a table");
  rows.emplace_back("--help", "this text");
  size_t column = 0;
  for (const auto& [head, body] : rows)
    column = std::max(column, std::min<size_t>(head.size(), 26));
  column += 4;
  for (const auto& [head, body] : rows) {
    std::string line = "  " + head;
    if (line.size() + 2 > column) {
      text += line + "\n";
      line.clear();
    }
    line.resize(column, ' ');
    text += wrap_text(line + body, std::max<size_t>(width, column + 24), column) + "\n";
  }
  return text;
}

}  // namespace rmkv::lua
