// Splitting by any regular expression.
#include "tokenizer/matcher.h"
#include "tokenizer/splitter.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

class RegexSplitter : public Splitter {
 public:
  explicit RegexSplitter(MatcherPtr matcher) : matcher_(std::move(matcher)) {}

  size_t split(std::string_view text, size_t begin,
               std::span<std::string_view> words) const override {
    size_t count = 0;
    size_t search_from = begin;
    while (count < words.size() && begin < text.size()) {
      size_t first = text.size(), last = text.size();
      if (search_from <= text.size() && matcher_->find(text, search_from, first, last)) {
        if (first == last && first == begin) {  // an empty match divides only what lies before it
          search_from = begin + decode_utf8(&text[begin], text.data() + text.size()).size_bytes;
          // Look on for the next match, which ends this word.
          continue;
        }
      } else {
        first = last = text.size();
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
  MatcherPtr matcher_;
};

}  // namespace

SplitterPtr make_matcher_splitter(MatcherPtr matcher) {
  return std::make_unique<RegexSplitter>(std::move(matcher));
}

SplitterPtr make_regex_splitter(std::string_view regex, const std::string& where) {
  return make_matcher_splitter(make_regex_matcher(regex, where));
}

}  // namespace rmkv
