// Regular expressions with PCRE2's just-in-time compiler.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <new>

#include "core/base/error.h"
#include "tokenizer/matcher.h"
#include "tokenizer/regex_dialect.h"

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
    const std::string translated = pcre2_expression(regex, where);
    regex_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
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

}  // namespace

MatcherPtr make_regex_matcher(std::string_view regex, const std::string& where) {
  return std::make_unique<RegexMatcher>(regex, where);
}

}  // namespace rmkv
