// Fixed strings and classes of characters.
#include "tokenizer/matcher.h"

#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

class LiteralMatcher : public Matcher {
 public:
  explicit LiteralMatcher(std::string text) : text_(std::move(text)) {}
  bool find(std::string_view text, size_t from, size_t& first, size_t& last) const override {
    first = text.find(text_, from);
    last = first + text_.size();
    return first != std::string_view::npos;
  }

 private:
  const std::string text_;
};

class ClassMatcher : public Matcher {
 public:
  explicit ClassMatcher(uint16_t classes) : classes_(classes) {}
  bool find(std::string_view text, size_t from, size_t& first, size_t& last) const override {
    const UnicodeClasses& table = UnicodeClasses::instance();
    const char* const end = text.data() + text.size();
    for (const char* p = text.data() + from; p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      if ((table.of(c.code_point) & classes_) != 0) {
        first = static_cast<size_t>(p - text.data());
        last = first + c.size_bytes;
        return true;
      }
      p += c.size_bytes;
    }
    return false;
  }

 private:
  const uint16_t classes_;
};

class WordMatcher : public Matcher {
 public:
  bool find(std::string_view text, size_t from, size_t& first, size_t& last) const override {
    const char* const end = text.data() + text.size();
    const char* p = text.data() + from;
    while (p < end && kind(p, end) == kSpaceClass) p += decode_utf8(p, end).size_bytes;
    first = static_cast<size_t>(p - text.data());
    if (p == end) return false;
    for (const uint16_t wanted = kind(p, end); p < end && kind(p, end) == wanted;) {
      p += decode_utf8(p, end).size_bytes;
    }
    last = static_cast<size_t>(p - text.data());
    return true;
  }

 private:
  // Word characters, white space, or the rest.
  static uint16_t kind(const char* p, const char* end) {
    const uint16_t classes = UnicodeClasses::instance().of(decode_utf8(p, end).code_point);
    return (classes & kWordClass) != 0 ? kWordClass : classes & kSpaceClass;
  }
};

}  // namespace

MatcherPtr make_literal_matcher(std::string text) {
  return std::make_unique<LiteralMatcher>(std::move(text));
}

MatcherPtr make_class_matcher(uint16_t classes) {
  return std::make_unique<ClassMatcher>(classes);
}

MatcherPtr make_word_matcher() {
  return std::make_unique<WordMatcher>();
}

MatcherPtr read_pattern(const JsonNode& pattern) {
  if (const auto regex = pattern.find("Regex")) {
    return make_regex_matcher(regex->as_string(), regex->where);
  }
  const JsonNode text = pattern.get("String");
  if (text.as_string().empty()) text.fail_type("a pattern that is not empty");
  return make_literal_matcher(std::string(text.as_string()));
}

}  // namespace rmkv
