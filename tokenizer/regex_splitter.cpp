// Splitting by any regular expression, with PCRE2's just-in-time compiler.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/base/error.h"
#include "tokenizer/splitter.h"
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

class RegexSplitter : public Splitter {
 public:
  RegexSplitter(std::string_view regex, const std::string& where) {
    int code = 0;
    size_t offset = 0;
    regex_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                               PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &code, &offset,
                               nullptr));
    if (regex_ == nullptr) {
      fail(where,
           "pattern '" + std::string(regex) + "': " + pcre2_message(code) + " at offset " +
               std::to_string(offset),
           "a regular expression that PCRE2 accepts");
    }
    pcre2_jit_compile(regex_.get(),
                      PCRE2_JIT_COMPLETE);  // the interpreter serves where there is no JIT
  }

  size_t split(std::string_view text, size_t begin,
               std::span<std::string_view> words) const override {
    const std::unique_ptr<pcre2_match_data, Release> match(pcre2_match_data_create(1, nullptr));
    if (match == nullptr) throw std::bad_alloc();
    const size_t* const bounds = pcre2_get_ovector_pointer(match.get());
    size_t count = 0;
    size_t search_from = begin;
    while (count < words.size() && begin < text.size()) {
      const int status = search(text, search_from, match.get());
      if (status < 0 && status != PCRE2_ERROR_NOMATCH) {
        fail_because("tokenizer.split", "regular expression gave up: " + pcre2_message(status));
      }
      size_t first = text.size(), last = text.size();
      if (status >= 0) {
        first = bounds[0];
        last = bounds[1];
        if (first == last && first == begin) {  // an empty match divides only what lies before it
          const bool at_end = begin >= text.size();
          search_from =
              begin +
              (at_end ? 1 : decode_utf8(&text[begin], text.data() + text.size()).size_bytes);
          // Look on for the next match, which ends this word.
          continue;
        }
      }
      if (first > begin) words[count++] = text.substr(begin, first - begin);
      begin = first;
      if (last > first && count < words.size()) {
        words[count++] = text.substr(first, last - first);
        begin = last;
      }
      search_from = begin;
    }
    return count;
  }

 private:
  int search(std::string_view text, size_t from, pcre2_match_data* match) const {
    if (from > text.size()) return PCRE2_ERROR_NOMATCH;
    const auto run = [&](uint32_t options) {
      return pcre2_match(regex_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                         options, match, nullptr);
    };
    const int status = run(0);
    // The interpreter keeps its stack on the heap.
    return status == PCRE2_ERROR_JIT_STACKLIMIT ? run(PCRE2_NO_JIT) : status;
  }

  std::unique_ptr<pcre2_code, Release> regex_;
};

}  // namespace

SplitterPtr make_regex_splitter(std::string_view regex, const std::string& where) {
  return std::make_unique<RegexSplitter>(regex, where);
}

}  // namespace rmkv
