// The known split patterns: their names and regular expressions.
#include "tokenizer/splitter.h"

#include <algorithm>
#include <vector>

#include "core/base/error.h"

namespace rmkv {
namespace {

struct KnownPattern {
  SplitPattern pattern;
  std::string_view name;
  std::string_view regex;
};

constexpr KnownPattern kKnownPatterns[] = {
    // openai/gpt-2, src/encoder.py
    {SplitPattern::kGpt2, "gpt2",
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    // openai/tiktoken, cl100k_base; the tokenizer.json of Llama-3
    {SplitPattern::kLlama3, "llama3",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    // the tokenizer.json of Qwen2
    {SplitPattern::kQwen2, "qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    // openai/tiktoken, o200k_base
    {SplitPattern::kO200k, "o200k",
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

const KnownPattern& known(SplitPattern pattern) {
  return kKnownPatterns[static_cast<size_t>(pattern)];
}

}  // namespace

SplitPattern parse_split_pattern(std::string_view name) {
  if (name == "cl100k" || name == "gpt4") return SplitPattern::kLlama3;
  std::vector<std::string> names;
  for (const KnownPattern& entry : kKnownPatterns) {
    if (entry.name == name) return entry.pattern;
    names.emplace_back(entry.name);
  }
  fail("tokenizer.split", unknown_name_text("pattern", name, names), "a known pattern");
}

std::string_view split_pattern_name(SplitPattern pattern) {
  return known(pattern).name;
}
std::string_view split_pattern_regex(SplitPattern pattern) {
  return known(pattern).regex;
}

bool is_known_split_regex(std::string_view regex) {
  return std::any_of(std::begin(kKnownPatterns), std::end(kKnownPatterns),
                     [&](const KnownPattern& entry) { return entry.regex == regex; });
}

SplitterPtr make_splitter_of_regex(std::string_view regex, const std::string& where) {
  for (const KnownPattern& entry : kKnownPatterns) {
    if (entry.regex == regex) return make_splitter(entry.pattern);
  }
  return make_regex_splitter(regex, where);
}

}  // namespace rmkv
