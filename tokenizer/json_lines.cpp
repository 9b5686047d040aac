// Lines in, lines out.
#include "tokenizer/json_lines.h"

#include <algorithm>
#include <functional>

#include "core/base/error.h"
#include "core/base/json_quote.h"
#include "tokenizer/huge_pages.h"
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

std::vector<Part> cut_lines(std::string_view lines, uint64_t first_line) {
  std::vector<Part> parts;
  while (!lines.empty()) {
    const uint64_t first_of_part = first_line;
    size_t size = 0;
    for (; size < std::min(kPartBytes, lines.size()); ++first_line) {
      const size_t newline = lines.find('\n', size);
      size = newline == std::string_view::npos ? lines.size() : newline + 1;
    }
    parts.push_back({lines.substr(0, size), first_of_part, ""});
    lines.remove_prefix(size);
  }
  return parts;
}

std::string encode_part(const Tokenizer& tokenizer, std::string_view lines,
                        const EncodeOptions& options, uint64_t first_line) {
  std::string out;
  out.reserve(lines.size() * 2);
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
    append_id_line(ids, true, out);
  });
  return out;
}

}  // namespace

std::string encode_json_lines(const Tokenizer& tokenizer, std::string_view lines,
                              const EncodeOptions& options, uint64_t first_line) {
  std::vector<Part> parts = cut_lines(lines, first_line);
  EncodeOptions one_thread = options;
  one_thread.threads = 1;
  std::string out;
  const auto encode = [&](size_t i, size_t /*thread*/) {
    parts[i].encoded = encode_part(tokenizer, parts[i].lines, one_thread, parts[i].first_line);
  };
  const auto append = [&](size_t i) {
    if (i == 0 && parts.size() > 1) {
      // What the first part took, and a tenth more, for all.
      out.reserve(lines.size() / parts[0].lines.size() * parts[0].encoded.size() / 10 * 11);
      ask_for_huge_pages(out.data(), out.capacity());
    }
    out += parts[i].encoded;
    parts[i].encoded = {};
  };
  run_in_order(parts.size(), options.threads, encode, append);
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
