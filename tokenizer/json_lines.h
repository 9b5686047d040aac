// Many texts at once as lines of JSON: strings to arrays of ids and back.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace rmkv {

// Each line of `lines` is a JSON string; the result has a line with the array of its ids for each.
// Blank lines are passed over.  `first_line` is the number of the first in messages.
std::string encode_json_lines(const Tokenizer& tokenizer, std::string_view lines,
                              const EncodeOptions& options, uint64_t first_line);

// The inverse: arrays of ids to JSON strings.  A text that is no UTF-8 has U+FFFD where it is not.
std::string decode_json_lines(const Tokenizer& tokenizer, std::string_view lines, bool skip_special,
                              uint64_t first_line);

}  // namespace rmkv
