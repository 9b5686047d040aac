// Text as a JSON string (RFC 8259, section 7), for writers too fast or too simple for a JSON
// library.
//
// `text` is UTF-8; control characters are escaped, everything else stays.
#pragma once

#include <string>
#include <string_view>

namespace rmkv {

inline void append_json_quoted(std::string_view text, std::string& out) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20) {
          out += "\\u00";
          out += kHexDigits[byte >> 4];
          out += kHexDigits[byte & 15];
        } else {
          out += c;
        }
      }
    }
  }
  out += '"';
}

inline std::string json_quoted(std::string_view text) {
  std::string out;
  append_json_quoted(text, out);
  return out;
}

}  // namespace rmkv
