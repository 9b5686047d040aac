// Command-line parsing.
#include "bindings/options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/toml.h"

namespace rmkv::lua {

namespace {

constexpr const char* kCommandLine = "command line";

std::string plain_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

const char* type_text(OptionType type) {
  switch (type) {
    case OptionType::kBoolean:
      return "true or false";
    case OptionType::kNumber:
      return "a number";
    case OptionType::kInteger:
      return "a whole number";
    case OptionType::kString:
      return "text";
    case OptionType::kList:
      return "a list";
    case OptionType::kTable:
      return "a table";
  }
  return "";
}

// The value of `--set name.key=WORD`: a number or boolean where it reads as one, else text.
Value guess(const std::string& word) {
  if (word == "true") return true;
  if (word == "false") return false;
  double x = 0;
  if (!parse_number(word, x)) return word;
  if (x == std::floor(x) && std::fabs(x) < 9e15) return static_cast<int64_t>(x);
  return x;
}

std::string range_text(const OptionSpec& spec) {
  const OptionSpec open;  // its bounds stand for none
  if (spec.high >= open.high) return "at least " + Value(spec.low).to_text();
  if (spec.low <= open.low) return "at most " + Value(spec.high).to_text();
  return Value(spec.low).to_text() + " .. " + Value(spec.high).to_text();
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// As it is written on the command line.
std::string shown_name(const OptionSpec& spec) {
  return spec.positional ? spec.name : dashed(spec.name);
}

}  // namespace

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

bool parse_number(const std::string& word, double& number) {
  std::string digits;
  for (char c : word) {
    if (c != '_') digits += c;
  }
  double scale = 1;
  if (!digits.empty()) {
    switch (digits.back()) {
      case 'k':
      case 'K':
        scale = 1e3;
        break;
      case 'M':
        scale = 1e6;
        break;
      case 'G':
      case 'B':
        scale = 1e9;
        break;
      default:
        break;
    }
    if (scale != 1) digits.pop_back();
  }
  // strtod also takes "nan", "inf" and hexadecimal, which are slips here.
  if (digits.empty() || digits.find_first_not_of("0123456789.eE+-") != std::string::npos)
    return false;
  char* end = nullptr;
  number = std::strtod(digits.c_str(), &end) * scale;
  return *end == 0 && std::isfinite(number);
}

void OptionSet::add(OptionSpec spec) {
  if (!spec.fallback.is_nil()) values_[spec.name] = spec.fallback;
  specs_.push_back(std::move(spec));
}

const OptionSpec* OptionSet::find_spec(const std::string& name) const {
  for (const OptionSpec& spec : specs_) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

const OptionSpec& OptionSet::spec_or_fail(const std::string& name, const std::string& shown) const {
  if (const OptionSpec* spec = find_spec(name)) return *spec;
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs_) names.push_back(spec.name);
  for (const char* common : {"config", "set", "help"}) names.push_back(common);
  std::sort(names.begin(), names.end());
  if (shown == kCommandLine) {
    const std::string near = nearest_name(name, names);
    fail_because(dashed(name),
                 "no such option" + (near.empty() ? "" : "; did you mean " + dashed(near) + "?"),
                 "--help lists the options");
  }
  fail_because(shown, unknown_name_text("option", name, names));
}

Value OptionSet::checked_value(const OptionSpec& spec, OptionType type, const Value& value,
                               const std::string& where) const {
  auto wrong = [&] { fail(where, value.type_name() + " " + value.to_text(), type_text(type)); };
  switch (type) {
    case OptionType::kBoolean:
      if (!value.is_bool()) wrong();
      return value;
    case OptionType::kNumber:
    case OptionType::kInteger: {
      if (!value.is_number()) wrong();
      double x = value.as_double();
      if (type == OptionType::kInteger && x != std::floor(x)) wrong();
      if (!(x >= spec.low && x <= spec.high)) {
        fail(where, value.to_text(), range_text(spec));
      }
      return value;
    }
    case OptionType::kString:
      if (!value.is_string()) wrong();
      if (!spec.choices.empty() && std::find(spec.choices.begin(), spec.choices.end(),
                                             value.as_string()) == spec.choices.end()) {
        fail_because(where, unknown_name_text("choice", value.as_string(), spec.choices));
      }
      return value;
    case OptionType::kList: {
      List list;
      if (!value.is_list()) {
        list.push_back(checked_value(spec, spec.item_type, value, where));
      } else {
        for (const Value& item : value.as_list())
          list.push_back(checked_value(spec, spec.item_type, item, where));
      }
      return list;
    }
    case OptionType::kTable:
      if (!value.is_table()) wrong();
      return value;
  }
  return value;
}

Value OptionSet::parse_word(const OptionSpec& spec, OptionType type,
                            const std::string& word) const {
  const std::string where = shown_name(spec);
  if (type == OptionType::kNumber || type == OptionType::kInteger) {
    double x = 0;
    if (!parse_number(word, x))
      fail(where, "'" + word + "'",
           std::string(type_text(type)) + ", such as 12e6, 1_000, 30k or 4M");
    bool whole = x == std::floor(x) && std::fabs(x) < 9e15;
    return checked_value(spec, type, whole ? Value(static_cast<int64_t>(x)) : Value(x), where);
  }
  if (type == OptionType::kBoolean) {
    for (const char* yes : {"true", "yes", "on", "1"})
      if (word == yes) return true;
    for (const char* no : {"false", "no", "off", "0"})
      if (word == no) return false;
    fail(where, "'" + word + "'", type_text(type));
  }
  if (type == OptionType::kTable)
    fail(where, "'" + word + "'", "keys set one by one: --set " + spec.name + ".key=value");
  return checked_value(spec, type, Value(word), where);
}

void OptionSet::set_word(const OptionSpec& spec, const std::string& word) {
  if (spec.type == OptionType::kList) {
    Value item = parse_word(spec, spec.item_type, word);
    // The first one given replaces the default.
    if (given_.insert(spec.name).second) values_[spec.name] = List{};
    values_[spec.name].as_list().push_back(item);
    return;
  }
  values_[spec.name] = parse_word(spec, spec.type, word);
  given_.insert(spec.name);
}

void OptionSet::set_path(const std::string& assignment) {
  size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    fail("--set", "'" + assignment + "'", "name.key=value");
  std::string path = plain_name(assignment.substr(0, equals));
  std::string word = assignment.substr(equals + 1);
  size_t dot = path.find('.');
  const OptionSpec& spec = spec_or_fail(path.substr(0, dot), "--set");
  if (dot == std::string::npos) return set_word(spec, word);
  if (spec.type != OptionType::kTable)
    fail("--set", "'" + path + "'",
         "no keys below " + spec.name + ", which is " + type_text(spec.type));
  if (values_[spec.name].is_nil()) values_[spec.name] = Table{};
  Value* place = &values_[spec.name];
  while (dot != std::string::npos) {
    size_t next = path.find('.', dot + 1);
    std::string key = path.substr(dot + 1, next == std::string::npos ? next : next - dot - 1);
    if (key.empty()) fail("--set", "'" + path + "'", "a key between the dots");
    if (place->is_nil()) *place = Table{};
    if (!place->is_table()) fail("--set", "'" + path + "'", "a table above '" + key + "'");
    place = &place->as_table()[key];
    dot = next;
  }
  *place = guess(word);
  given_.insert(spec.name);
}

void OptionSet::read_config(const std::string& path) {
  for (const auto& [key, value] : read_toml(path)) {
    const OptionSpec& spec = spec_or_fail(plain_name(key), path);
    Value checked = checked_value(spec, spec.type, value, path + ": " + key);
    if (spec.type == OptionType::kTable && values_.count(spec.name)) {
      for (auto& [inner, item] : checked.as_table()) values_[spec.name].as_table()[inner] = item;
    } else {
      values_[spec.name] = checked;
    }
    given_.insert(spec.name);
  }
}

void OptionSet::parse(const std::vector<std::string>& words) {
  // Files first: the command line wins wherever --config stands.
  std::vector<std::string> left;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--config") {
      if (++i == words.size()) fail("--config", "nothing", "a TOML file");
      read_config(words[i]);
    } else if (words[i].rfind("--config=", 0) == 0) {
      read_config(words[i].substr(9));
    } else if (words[i] == "--") {
      left.insert(left.end(), words.begin() + static_cast<ptrdiff_t>(i), words.end());
      break;
    } else {
      left.push_back(words[i]);
    }
  }
  // Lists from a file are replaced, not added to, by the command line.
  std::set<std::string> from_file = std::move(given_);
  given_.clear();
  int position = 0;
  bool only_words = false;
  for (size_t i = 0; i < left.size(); ++i) {
    const std::string& word = left[i];
    if (!only_words && word == "--") {
      only_words = true;
    } else if (!only_words && (word == "--help" || word == "-h")) {
      help_requested_ = true;
    } else if (!only_words && word.rfind("--", 0) == 0) {
      size_t equals = word.find('=');
      std::string name =
          plain_name(word.substr(2, equals == std::string::npos ? equals : equals - 2));
      bool has_value = equals != std::string::npos;
      std::string value = has_value ? word.substr(equals + 1) : "";
      const OptionSpec* spec = find_spec(name);
      if (!spec && name.rfind("no_", 0) == 0) {
        const OptionSpec* positive = find_spec(name.substr(3));
        if (positive && positive->type == OptionType::kBoolean && !has_value) {
          values_[positive->name] = false;
          given_.insert(positive->name);
          continue;
        }
      }
      bool assignment = !spec && name == "set";
      if (!assignment) spec = &spec_or_fail(name, kCommandLine);
      if (!has_value && spec && spec->type == OptionType::kBoolean) {
        values_[spec->name] = true;
        given_.insert(spec->name);
        continue;
      }
      if (!has_value) {
        if (++i == left.size())
          fail(word, "nothing",
               assignment
                   ? "name.key=value"
                   : type_text(spec->type == OptionType::kList ? spec->item_type : spec->type));
        value = left[i];
      }
      if (assignment)
        set_path(value);
      else
        set_word(*spec, value);
    } else {
      ++position;
      const OptionSpec* target = nullptr;
      for (const OptionSpec& spec : specs_) {
        if (spec.positional == position) target = &spec;
      }
      // A list takes all further words.
      for (const OptionSpec& spec : specs_) {
        if (!target && spec.positional && spec.type == OptionType::kList &&
            spec.positional < position)
          target = &spec;
      }
      if (!target) {
        std::vector<std::string> names;
        for (const OptionSpec& spec : specs_) names.push_back(dashed(spec.name));
        std::string near = nearest_name("--" + word, names);
        fail(kCommandLine, "'" + word + "'",
             "an option" + (near.empty() ? "" : "; did you mean '" + near + "'?"),
             "--help lists them");
      }
      set_word(*target, word);
    }
  }
  given_.merge(from_file);
  if (help_requested_) return;
  for (const OptionSpec& spec : specs_) {
    if (spec.required && !values_.count(spec.name)) {
      const std::string expected = !spec.choices.empty() ? "one of " + joined(spec.choices)
                                   : spec.help.empty()   ? type_text(spec.type)
                                                         : spec.help;
      fail(shown_name(spec), "nothing", expected, "--help lists the options");
    }
  }
}

}  // namespace rmkv::lua
