// JSON text to Value and back (nlohmann-json does the parsing).  For configurations and reports,
// not for streams.
#pragma once

#include <string>
#include <string_view>

#include "core/base/value.h"

namespace rmkv {

// `name` opens the message of a syntax error.  Nesting deeper than 256 is refused.
Value parse_json(std::string_view text, const std::string& name);
// One line when `indent` is negative.  Strings that are not UTF-8 are written with U+FFFD; NaN and
// infinities become null.
std::string write_json(const Value& value, int indent = -1);

}  // namespace rmkv
