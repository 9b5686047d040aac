// Options of a recipe: declared once, then read from the command line, a TOML file and single
// assignments.
//
// A plain class over Value: no Lua here (lua_host.cpp converts).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/base/value.h"

namespace rmkv::lua {

enum class OptionType { kBoolean, kNumber, kInteger, kString, kList, kTable };

struct OptionSpec {
  std::string name = {};  // with underscores
  OptionType type = OptionType::kString;
  OptionType item_type = OptionType::kString;  // of a list
  Value fallback = {};                         // nil: absent unless given
  std::string help = {};
  std::vector<std::string> choices = {};
  int positional = 0;  // place among the words without dashes, from 1; 0: named only
  bool required = false;
  double low = -1e308;
  double high = 1e308;
};

class OptionSet {
 public:
  void add(OptionSpec spec);

  // Reads the words in order; later ones win, `--config` fills only what the command line leaves
  // open. Throws naming the option, the value and what is valid.
  void parse(const std::vector<std::string>& words);
  bool help_requested() const { return help_requested_; }

  // Name to value; absent options are left out.
  const Table& values() const { return values_; }
  // Names that were set by the command line or a file.
  const std::set<std::string>& given() const { return given_; }
  const std::vector<OptionSpec>& specs() const { return specs_; }

  // The text of --help: `title` is printed above, lines are at most `width` columns.
  std::string help_text(const std::string& command, const std::string& title, size_t width) const;

 private:
  const OptionSpec* find_spec(const std::string& name) const;
  const OptionSpec& spec_or_fail(const std::string& name, const std::string& shown) const;
  Value parse_word(const OptionSpec& spec, OptionType type, const std::string& word) const;
  void set_word(const OptionSpec& spec, const std::string& word);
  void set_path(const std::string& assignment);
  void read_config(const std::string& path);
  Value checked_value(const OptionSpec& spec, OptionType type, const Value& value,
                      const std::string& where) const;

  std::vector<OptionSpec> specs_;
  Table values_;
  std::set<std::string> given_;
  bool help_requested_ = false;
};

// "save_every" -> "--save-every"
std::string dashed(std::string name);

// "12e6", "1_000", "30k", "4M", "1.5G": true and the number when `word` is one.
bool parse_number(const std::string& word, double& number);

}  // namespace rmkv::lua
