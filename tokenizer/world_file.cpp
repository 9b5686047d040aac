// Reads RWKV World vocabulary files.  The tokens are Python literals, 'text', "text" or b'bytes';
// this reads the escapes that Python's repr() writes and refuses any other.
#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/unicode.h"
#include "tokenizer/world_tokenizer.h"

namespace rmkv {
namespace {

bool parse_number(std::string_view text, int base, uint32_t& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc() && stop == end && !text.empty();
}

// The bytes of a Python literal; nothing when it is none.
std::optional<std::string> read_literal(std::string_view literal) {
  const bool is_bytes = !literal.empty() && literal[0] == 'b';
  if (is_bytes) literal.remove_prefix(1);
  if (literal.size() < 2 || literal.front() != literal.back() ||
      (literal.front() != '\'' && literal.front() != '"')) {
    return std::nullopt;
  }
  const char quote = literal.front();
  literal = literal.substr(1, literal.size() - 2);
  std::string bytes;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] == quote) return std::nullopt;
    if (literal[i] != '\\') {
      bytes += literal[i];
      continue;
    }
    if (++i == literal.size()) return std::nullopt;
    size_t digits = 0;
    switch (literal[i]) {
      case 'n':
        bytes += '\n';
        continue;
      case 'r':
        bytes += '\r';
        continue;
      case 't':
        bytes += '\t';
        continue;
      case '\\':
      case '\'':
      case '"':
        bytes += literal[i];
        continue;
      case 'x':
        digits = 2;
        break;
      case 'u':
        digits = is_bytes ? 0 : 4;
        break;
      case 'U':
        digits = is_bytes ? 0 : 8;
        break;
      default:
        break;
    }
    uint32_t code = 0;
    if (digits == 0 || i + digits >= literal.size()) return std::nullopt;
    if (!parse_number(literal.substr(i + 1, digits), 16, code) || code > 0x10FFFF) {
      return std::nullopt;
    }
    i += digits;
    if (is_bytes) {
      bytes += static_cast<char>(code);
    } else {
      append_utf8(code, bytes);
    }
  }
  return bytes;
}

// A line "id literal size".
struct Line {
  uint32_t id, size_bytes;
  std::string bytes;
};

std::optional<Line> read_line(std::string_view line) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || last <= first) return std::nullopt;
  Line out{};
  const auto bytes = read_literal(line.substr(first + 1, last - first - 1));
  if (!bytes || !parse_number(line.substr(0, first), 10, out.id) ||
      !parse_number(line.substr(last + 1), 10, out.size_bytes)) {
    return std::nullopt;
  }
  out.bytes = *bytes;
  return out;
}

std::string_view first_line(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

bool looks_like_world(std::string_view text) {
  return read_line(first_line(text)).has_value();
}

TokenizerPtr parse_world(std::string_view text, const std::string& name) {
  std::vector<std::string> tokens(1);
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = first_line(text);
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    if (line.empty()) continue;
    const std::string where = name + ":" + std::to_string(number);
    auto entry = read_line(line);
    if (!entry) fail(where, "'" + std::string(line.substr(0, 80)) + "'", "id 'token' size");
    if (entry->bytes.size() != entry->size_bytes) {
      fail(where, std::to_string(entry->bytes.size()) + " bytes",
           std::to_string(entry->size_bytes) + " as the line says");
    }
    if (entry->id == 0 || entry->id > static_cast<uint32_t>(MergeTable::kMaxId)) {
      fail(where, "id " + std::to_string(entry->id),
           "an id from 1 to " + std::to_string(MergeTable::kMaxId));
    }
    if (entry->bytes.empty()) fail(where, "an empty token", "at least one byte");
    if (tokens.size() <= entry->id) tokens.resize(entry->id + 1);
    if (!tokens[entry->id].empty()) {
      fail(where, "id " + std::to_string(entry->id) + " again", "each id once");
    }
    tokens[entry->id] = std::move(entry->bytes);
  }
  return std::make_shared<WorldTokenizer>(std::move(tokens), name);
}

}  // namespace rmkv
