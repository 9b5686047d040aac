// Character classes by name, and a walk over the expression.
#include "tokenizer/regex_dialect.h"

#include <charconv>
#include <compare>
#include <cstdio>
#include <map>
#include <utility>

#include "core/base/error.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

struct NamedClass {
  std::string_view name;
  uint16_t classes;     // one of these bits of CharClass
  uint16_t except = 0;  // and none of these
  // NOLINTNEXTLINE(modernize-use-nullptr): the check takes the compared 0 for a pointer
  auto operator<=>(const NamedClass&) const = default;
};
constexpr NamedClass kSpaces{"s", kSpaceClass};
// Oniguruma's word class lacks the joiners; outside brackets it has six numbers of Latin-1 more.
constexpr NamedClass kWords{"w", kWordClass};
constexpr NamedClass kBareWords{"w outside brackets", kWordClass};
constexpr NamedClass kNamedClasses[] = {
    {"L", kLetterClass},
    {"Lu", kUpperClass},
    {"Lt", kTitleClass},
    {"Ll", kLowerClass},
    {"Lm", kModifierClass},
    {"Lo", kLetterClass, kUpperClass | kTitleClass | kLowerClass | kModifierClass},
    {"N", kNumberClass},
    {"M", kMarkClass},
    {"P", kPunctuationClass},
    {"S", kSymbolClass}};

const NamedClass* find_class(std::string_view name) {
  for (const NamedClass& known : kNamedClasses) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

// The inside of a bracket expression for all characters in (or not in) a class.
std::string ranges_text(const NamedClass& wanted, bool with) {
  const UnicodeClasses& table = UnicodeClasses::instance();
  std::string text;
  uint32_t first = 0;
  bool open = false;
  for (uint32_t code = 0; code <= 0x110000; ++code) {
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    const uint16_t bits = table.of(code);
    bool member = (bits & wanted.classes) != 0 && (bits & wanted.except) == 0;
    if (wanted.classes == kWordClass) {
      if (code == 0x200C || code == 0x200D) member = false;
      if (wanted == kBareWords && code < 0x100 && (bits & kNumberClass) != 0) member = true;
    }
    const bool in = code < 0x110000 && !surrogate && member == with;
    if (in && !open) first = code;
    if (!in && open) {
      char range[32];
      std::snprintf(range, sizeof(range), first == code - 1 ? "\\x{%X}" : "\\x{%X}-\\x{%X}", first,
                    code - 1);
      text += range;
    }
    open = in;
  }
  return text;
}

const std::string& cached_ranges(const NamedClass& wanted, bool with) {
  thread_local std::map<std::pair<NamedClass, bool>, std::string> known;
  std::string& text = known[{wanted, with}];
  if (text.empty()) text = ranges_text(wanted, with);
  return text;
}

// Oniguruma's expressions, for which tokenizer.json files are written, in PCRE2's dialect.
class Translation {
 public:
  Translation(std::string_view regex, const std::string& where) : regex_(regex), where_(where) {}

  std::string run() {
    while (at_ < regex_.size()) {
      if (regex_[at_] == '\\' && at_ + 1 < regex_.size()) {
        escape();
      } else if (depth_ > 0) {
        in_brackets();
      } else if (regex_[at_] == '[') {
        open_brackets();
      } else if (!interval()) {
        out_ += regex_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const char* what) const {
    fail(where_, "pattern '" + std::string(regex_) + "' with " + what, "an expression without it");
  }

  // A bracket right behind the opening one (or its ^) is an ordinary character.
  void open_brackets() {
    depth_ = 1;
    out_ += regex_[at_++];
    if (at_ < regex_.size() && regex_[at_] == '^') out_ += regex_[at_++];
    if (at_ < regex_.size() && regex_[at_] == ']') out_ += regex_[at_++];
  }

  // PCRE2 has no sets within sets; one that only adds its members is written without its brackets.
  void in_brackets() {
    const std::string_view rest = regex_.substr(at_);
    if (rest.starts_with("[:")) {
      const size_t size = rest.find(":]");
      if (size == std::string_view::npos) refuse("an open [:");
      out_ += rest.substr(0, size + 2);
      at_ += size + 2;
    } else if (rest.starts_with("[^")) {
      refuse("a negated set within a set");
    } else if (rest.starts_with("&&")) {
      refuse("an intersection of sets");
    } else if (rest[0] == '[') {
      if (out_.ends_with('-')) refuse("a range that ends in a set");
      ++depth_;
      ++at_;
    } else if (rest[0] == ']') {
      if (--depth_ == 0) {
        out_ += ']';
      } else if (rest.size() > 1 && rest[1] == '-') {
        refuse("a range that begins with a set");
      }
      ++at_;
    } else {
      out_ += rest[0];
      ++at_;
    }
  }

  // x{1,3}+ is (?:x{1,3})+ to Oniguruma and possessive to PCRE2.
  bool interval() {
    const std::string_view rest = regex_.substr(at_);
    if (rest[0] != '{') return false;
    const size_t close = rest.find('}');
    if (close == std::string_view::npos || !rest.substr(close + 1).starts_with('+')) return false;
    uint32_t low = 0, high = 0;
    const char* const end = rest.data() + close;
    const auto [stop, error] = std::from_chars(rest.data() + 1, end, low);
    if (error != std::errc()) return false;
    high = low;
    if (stop < end) {
      if (*stop != ',') return false;
      high = 0xFFFF;
      if (stop + 1 < end && std::from_chars(stop + 1, end, high).ptr != end) return false;
    }
    if (high + 1 < low * 2) refuse("a repeated interval");
    out_ += '{' + std::to_string(low) + ",}";
    at_ += close + 2;
    return true;
  }

  void escape() {
    const char kind = regex_[at_ + 1];
    const NamedClass* wanted = nullptr;
    bool with = true;
    size_t stop = at_ + 2;
    // The name in braces behind it, such as {L} or {^L}.
    std::string_view name;
    if (stop < regex_.size() && regex_[stop] == '{') {
      const size_t close = regex_.find('}', stop);
      if (close != std::string_view::npos) name = regex_.substr(stop + 1, close - stop - 1);
    }
    if (kind == 's' || kind == 'S') {
      wanted = &kSpaces;
      with = kind == 's';
    } else if (kind == 'w' || kind == 'W') {
      wanted = depth_ > 0 ? &kWords : &kBareWords;
      with = kind == 'w';
    } else if (kind == 'h' || kind == 'H') {  // a hexadecimal digit; PCRE2's is a blank
      if (kind == 'H' && depth_ > 0) refuse("\\H in a set");
      constexpr std::string_view kDigits = "0-9a-fA-F";
      if (depth_ == 0) out_ += kind == 'h' ? "[" : "[^";
      out_ += kDigits;
      if (depth_ == 0) out_ += ']';
      at_ = stop;
      return;
    } else if ((kind == 'p' || kind == 'P') && stop < regex_.size()) {
      with = kind == 'p';
      if (regex_[stop] != '{') {
        name = regex_.substr(stop++, 1);
      } else if (!name.empty()) {
        stop += name.size() + 2;
        if (name[0] == '^') {
          with = !with;
          name.remove_prefix(1);
        }
      }
      wanted = find_class(name);
    } else if (!name.empty() && std::string_view("xokgN").find(kind) != std::string_view::npos) {
      stop += name.size() + 2;
    }
    if (wanted == nullptr) {
      out_ += regex_.substr(at_, stop - at_);
    } else {
      if (depth_ == 0) out_ += '[';
      out_ += cached_ranges(*wanted, with);
      if (depth_ == 0) out_ += ']';
    }
    at_ = stop;
  }

  const std::string_view regex_;
  const std::string& where_;
  std::string out_;
  size_t at_ = 0;
  int depth_ = 0;  // of brackets
};

}  // namespace

std::string pcre2_expression(std::string_view regex, const std::string& where) {
  return Translation(regex, where).run();
}

}  // namespace rmkv
