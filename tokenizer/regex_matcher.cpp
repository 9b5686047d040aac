// Regular expressions with PCRE2's just-in-time compiler.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <compare>
#include <cstdio>
#include <map>

#include "core/base/error.h"
#include "tokenizer/matcher.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

std::string pcre2_message(int code) {
  unsigned char buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

struct Release {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};

class RegexMatcher : public Matcher {
 public:
  RegexMatcher(std::string_view regex, const std::string& where) {
    int code = 0;
    size_t offset = 0;
    const std::string pinned = pin_unicode_classes(regex);
    regex_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pinned.data()), pinned.size(),
                               PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE,
                               &code, &offset, nullptr));
    if (regex_ == nullptr) {
      fail(where, "pattern '" + std::string(regex) + "': " + pcre2_message(code),
           "a regular expression that PCRE2 accepts");
    }
    // Without a JIT the interpreter serves.
    pcre2_jit_compile(regex_.get(), PCRE2_JIT_COMPLETE);
  }

  bool find(std::string_view text, size_t from, size_t& first, size_t& last) const override {
    thread_local const std::unique_ptr<pcre2_match_data, Release> match(
        pcre2_match_data_create(1, nullptr));
    if (match == nullptr) throw std::bad_alloc();
    const auto run = [&](uint32_t options) {
      return pcre2_match(regex_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                         options, match.get(), nullptr);
    };
    if (from > text.size()) return false;
    int status = run(0);
    // The interpreter keeps its stack on the heap.
    if (status == PCRE2_ERROR_JIT_STACKLIMIT) status = run(PCRE2_NO_JIT);
    if (status == PCRE2_ERROR_NOMATCH) return false;
    if (status < 0) {
      fail_because("tokenizer.split", "regular expression gave up: " + pcre2_message(status));
    }
    const size_t* const bounds = pcre2_get_ovector_pointer(match.get());
    first = bounds[0];
    last = bounds[1];
    // \K may put the start behind the end; such a match is empty.
    if (first > last) first = last;
    return true;
  }

 private:
  std::unique_ptr<pcre2_code, Release> regex_;
};

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

}  // namespace

std::string pin_unicode_classes(std::string_view regex) {
  std::string out;
  bool in_brackets = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    if (regex[i] != '\\' || i + 1 == regex.size()) {
      // A bracket right behind the opening one (or its ^) is an ordinary character.
      if (regex[i] == '[' && !in_brackets) {
        in_brackets = true;
        out += '[';
        if (i + 1 < regex.size() && regex[i + 1] == '^') out += regex[++i];
        if (i + 1 < regex.size() && regex[i + 1] == ']') out += regex[++i];
        continue;
      }
      if (regex[i] == ']') in_brackets = false;
      out += regex[i];
      continue;
    }
    const char kind = regex[i + 1];
    const NamedClass* wanted = nullptr;
    bool with = true;
    size_t stop = i + 2;
    if (kind == 's' || kind == 'S') {
      wanted = &kSpaces;
      with = kind == 's';
    } else if (kind == 'w' || kind == 'W') {
      wanted = in_brackets ? &kWords : &kBareWords;
      with = kind == 'w';
    } else if ((kind == 'p' || kind == 'P') && i + 2 < regex.size()) {
      with = kind == 'p';
      const size_t close = regex[i + 2] == '{' ? regex.find('}', i) : i + 2;
      std::string_view name = regex.substr(i + 2, close - i - 1);
      if (close == std::string_view::npos) {
        name = {};  // PCRE2 will complain
      } else if (name[0] == '{') {
        name = name.substr(1, name.size() - 2);
        if (!name.empty() && name[0] == '^') {
          with = !with;
          name.remove_prefix(1);
        }
      }
      wanted = find_class(name);
      stop = close + 1;
    }
    if (wanted == nullptr) {
      out += regex[i];
      out += regex[++i];
      continue;
    }
    if (!in_brackets) out += '[';
    out += cached_ranges(*wanted, with);
    if (!in_brackets) out += ']';
    i = stop - 1;
  }
  return out;
}

MatcherPtr make_regex_matcher(std::string_view regex, const std::string& where) {
  return std::make_unique<RegexMatcher>(regex, where);
}

}  // namespace rmkv
