// The kinds of decoders and their reader.
#include "tokenizer/token_decoder.h"

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/matcher.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

std::string replaced(const std::string& text, std::string_view what, std::string_view with) {
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, done)) {
    out.append(text, done, at - done);
    out += with;
    done = at + what.size();
  }
  return out.append(text, done);
}

std::string replaced(const std::string& text, const Matcher& matcher, std::string_view with) {
  std::string out;
  size_t done = 0, first = 0, last = 0;
  for (size_t from = 0; from <= text.size() && matcher.find(text, from, first, last);) {
    out.append(text, done, first - done);
    out += with;
    done = last;
    from = last > first ? last : last + 1;
  }
  return out.append(text, std::min(done, text.size()));
}

// "<0x0A>" becomes the byte.
void read_byte(std::string& token) {
  uint32_t byte = 0;
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return;
  const char* const digits = token.data() + 3;
  const auto [stop, error] = std::from_chars(digits, digits + 2, byte, 16);
  if (error == std::errc() && stop == digits + 2) token.assign(1, static_cast<char>(byte));
}

// English blanks before punctuation (decoders/wordpiece.rs, cleanup).
std::string cleaned(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [what, with] : kRules) text = replaced(text, what, with);
  return text;
}

std::string one_character(const JsonNode& node) {
  std::string text(node.as_string());
  if (text.empty() ||
      decode_utf8(text.data(), text.data() + text.size()).size_bytes != text.size()) {
    fail(node.where, "'" + text + "'", "one character");
  }
  return text;
}

// Up to `start` times `content` at the beginning and `stop` times at the end.
std::string stripped(std::string_view text, const std::string& content, int64_t start,
                     int64_t stop) {
  for (; start > 0 && text.starts_with(content); --start) text.remove_prefix(content.size());
  for (; stop > 0 && text.ends_with(content); --stop) text.remove_suffix(content.size());
  return std::string(text);
}

}  // namespace

TokenDecoder::TokenDecoder(const JsonNode& node) {
  if (node.is_null()) {
    tells_first_ = true;
    steps_.emplace_back([](std::string& token, bool is_first) {
      if (!is_first) token.insert(0, 1, ' ');
    });
  } else {
    read(node);
  }
}

std::string TokenDecoder::decode(std::string_view token, bool is_first) const {
  std::string text(token);
  for (const Step& step : steps_) step(text, is_first);
  return text;
}

void TokenDecoder::read_strip(const JsonNode& node) {
  const std::string content = one_character(node.get("content"));
  const int64_t start = node.get("start").as_integer(0, 1 << 20);
  const int64_t stop = node.get("stop").as_integer(0, 1 << 20);
  if (!fused_) {
    steps_.emplace_back(
        [=](std::string& token, bool) { token = stripped(token, content, start, stop); });
    return;
  }
  if (!trim_.content.empty()) fail(node.where, "a second Strip behind Fuse", "one at most");
  trim_ = {content, start, stop};
}

void TokenDecoder::read(const JsonNode& node) {
  const std::string_view type = node.get("type").as_string();
  if (type == "Sequence") {
    for (const JsonNode& step : node.get("decoders").elements()) read(step);
    return;
  }
  if (type == "Strip") return read_strip(node);
  if (type == "Fuse") {
    fused_ = true;
    return;
  }
  if (fused_) fail(node.where, "'" + std::string(type) + "' behind Fuse", "Strip at most");
  if (type == "ByteLevel") {
    steps_.emplace_back([](std::string& token, bool) {
      if (const auto bytes = unspell_bytes(token)) token = *bytes;
    });
    fused_ = true;
  } else if (type == "ByteFallback") {
    steps_.emplace_back([](std::string& token, bool) { read_byte(token); });
  } else if (type == "Replace") {
    const std::string content(node.get("content").as_string());
    const std::shared_ptr<const Matcher> matcher = read_pattern(node.get("pattern"));
    steps_.emplace_back(
        [=](std::string& token, bool) { token = replaced(token, *matcher, content); });
  } else if (type == "Metaspace") {
    const std::string mark = one_character(node.get("replacement"));
    const auto scheme = node.find("prepend_scheme");
    const bool never =
        !node.flag("add_prefix_space", true) || (scheme && scheme->as_string() == "never");
    tells_first_ = true;
    steps_.emplace_back([=](std::string& token, bool is_first) {
      token = replaced(token, mark, is_first && !never ? "" : " ");
    });
  } else if (type == "WordPiece") {
    const std::string prefix(node.get("prefix").as_string());
    const bool cleans = node.flag("cleanup", true);
    tells_first_ = true;
    steps_.emplace_back([=](std::string& token, bool is_first) {
      if (!is_first) token = token.starts_with(prefix) ? token.substr(prefix.size()) : " " + token;
      if (cleans) token = cleaned(token);
    });
  } else if (type == "BPEDecoder") {
    // The last token's suffix becomes nothing: one blank at the end is cut off.
    const std::string suffix(node.get("suffix").as_string());
    if (suffix.empty()) fail(node.where + ".suffix", "nothing", "a suffix");
    steps_.emplace_back([=](std::string& token, bool) { token = replaced(token, suffix, " "); });
    trim_ = {" ", 0, 1};
    fused_ = true;
  } else {
    fail(node.where, "a decoder of type '" + std::string(type) + "'",
         "ByteLevel, ByteFallback, Replace, Metaspace, WordPiece, BPEDecoder, Fuse, Strip or "
         "Sequence");
  }
}

}  // namespace rmkv
