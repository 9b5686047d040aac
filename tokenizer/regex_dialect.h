// Regular expressions as tokenizer.json files have them, in PCRE2's dialect.
//
// The files are written for Oniguruma with Unicode 16.0.  Classes such as \p{L} and \s are written
// out, so that PCRE2's own version of Unicode does not matter; what the two read differently is
// translated or refused.
#pragma once

#include <string>
#include <string_view>

namespace rmkv {

// `where` opens the message of a refusal.
std::string pcre2_expression(std::string_view regex, const std::string& where);

}  // namespace rmkv
