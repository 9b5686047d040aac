// Places in a text: where a regular expression, a fixed string or a class of characters stands.
//
// Used by pre-tokenizers and by replacements.  Immutable and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/json_node.h"

namespace rmkv {

class Matcher {
 public:
  virtual ~Matcher() = default;
  // The first match that starts at `from` or later as offsets [first, last) into `text`; false when
  // there is none.  A match may be empty.
  virtual bool find(std::string_view text, size_t from, size_t& first, size_t& last) const = 0;
};

using MatcherPtr = std::unique_ptr<const Matcher>;

// Compiled by PCRE2 (regex_dialect.h).  Classes such as \p{L} and \s mean those of Unicode 16.0
// (unicode.h), `^` and
// `$` stand at line ends, as in the library that tokenizer.json files are made for.  Throws when
// the expression does not compile; `where` opens the message.
MatcherPtr make_regex_matcher(std::string_view regex, const std::string& where);

// `text` is not empty.
MatcherPtr make_literal_matcher(std::string text);

// One character that has one of the bits of CharClass.
MatcherPtr make_class_matcher(uint16_t classes);

// \w+|[^\w\s]+
MatcherPtr make_word_matcher();

// {"Regex": ...} or {"String": ...}.
MatcherPtr read_pattern(const JsonNode& pattern);

}  // namespace rmkv
