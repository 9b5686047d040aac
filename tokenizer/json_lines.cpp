// Lines in, lines out.
#include "tokenizer/json_lines.h"

#include <algorithm>
#include <functional>

#include "core/base/error.h"
#include "core/base/json_quote.h"
#include "tokenizer/id_format.h"
#include "tokenizer/in_order.h"
#include "tokenizer/json_node.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

void for_each_line(
    std::string_view lines, uint64_t number,
    const std::function<void(std::string_view line, const std::string& where)>& take) {
  for (; !lines.empty(); ++number) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    take(line, "line " + std::to_string(number));
  }
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    if (c.code_point == kInvalidCodePoint) {
      out += "\xEF\xBF\xBD";
    } else {
      out.append(p, c.size_bytes);
    }
    p += c.size_bytes;
  }
  return out;
}

// So many bytes of lines does one thread take at a time.
constexpr size_t kPartBytes = size_t{1} << 16;

struct Part {
  std::string_view lines;
  uint64_t first_line;
  std::string encoded;
};

std::string encode_part(const Tokenizer& tokenizer, std::string_view lines,
                        const EncodeOptions& options, uint64_t first_line) {
  std::string out;
  std::vector<int32_t> ids;
  simdjson::dom::parser parser;
  for_each_line(lines, first_line, [&](std::string_view line, const std::string& where) {
    JsonNode node;
    node.where = where;
    const auto error = parser.parse(line.data(), line.size()).get(node.value);
    if (error != simdjson::SUCCESS) {
      fail_because(where, std::string("not valid JSON: ") + simdjson::error_message(error));
    }
    ids.clear();
    tokenizer.encode_to(node.as_string(), options, ids);
    out += write_ids(ids, IdFormat::kJson);
  });
  return out;
}

}  // namespace

std::string encode_json_lines(const Tokenizer& tokenizer, std::string_view lines,
                              const EncodeOptions& options, uint64_t first_line) {
  if (options.threads <= 1 || lines.size() < 2 * kPartBytes) {
    return encode_part(tokenizer, lines, options, first_line);
  }
  std::vector<Part> parts;
  while (!lines.empty()) {
    const size_t newline =
        lines.size() > kPartBytes ? lines.find('\n', kPartBytes) : std::string_view::npos;
    const size_t size = newline == std::string_view::npos ? lines.size() : newline + 1;
    parts.push_back({lines.substr(0, size), first_line, ""});
    first_line += static_cast<uint64_t>(
        std::count(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
    lines.remove_prefix(size);
  }
  EncodeOptions one_thread = options;
  one_thread.threads = 1;
  std::string out;
  run_in_order(
      parts.size(), options.threads,
      [&](size_t i) {
        parts[i].encoded = encode_part(tokenizer, parts[i].lines, one_thread, parts[i].first_line);
      },
      [&](size_t i) {
        out += parts[i].encoded;
        parts[i].encoded = {};
      });
  return out;
}

std::string decode_json_lines(const Tokenizer& tokenizer, std::string_view lines, bool skip_special,
                              uint64_t first_line) {
  std::string out;
  for_each_line(lines, first_line, [&](std::string_view line, const std::string& where) {
    const std::string text = tokenizer.decode(read_ids(line, IdFormat::kJson, where), skip_special);
    append_json_quoted(is_valid_utf8(text) ? text : valid_utf8(text), out);
    out += '\n';
  });
  return out;
}

}  // namespace rmkv
