// tiktoken's rank files: a token's rank is its id and the order of merging.
#include <charconv>
#include <unordered_set>

#include "core/base/error.h"
#include "tokenizer/base64.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/splitter.h"

namespace rmkv {
namespace {

// Published encodings, known by their number of ranks (openai/tiktoken,
// tiktoken_ext/openai_public.py; Llama-3 and Qwen from their model repositories).
struct KnownRanks {
  size_t count;
  SplitPattern pattern;
  std::vector<std::pair<int32_t, std::string>> special;
};

const std::vector<KnownRanks>& known_ranks() {
  static const std::vector<KnownRanks> known = {
      {50256, SplitPattern::kGpt2, {{50256, "<|endoftext|>"}}},  // gpt2, r50k_base
      {50280, SplitPattern::kGpt2, {{50256, "<|endoftext|>"}}},  // p50k_base
      {100256,                                                   // cl100k_base
       SplitPattern::kLlama3,
       {{100257, "<|endoftext|>"},
        {100258, "<|fim_prefix|>"},
        {100259, "<|fim_middle|>"},
        {100260, "<|fim_suffix|>"},
        {100276, "<|endofprompt|>"}}},
      {128000, SplitPattern::kLlama3, {{128000, "<|begin_of_text|>"}, {128001, "<|end_of_text|>"}}},
      {151643,
       SplitPattern::kQwen2,
       {{151643, "<|endoftext|>"}, {151644, "<|im_start|>"}, {151645, "<|im_end|>"}}},
      {199998,  // o200k_base
       SplitPattern::kO200k,
       {{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}},
  };
  return known;
}

struct Line {
  std::string bytes;
  uint32_t rank = 0;
};

std::optional<Line> read_line(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  auto bytes = decode_base64(line.substr(0, blank));
  const std::string_view digits = line.substr(blank + 1);
  uint32_t rank = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, rank);
  if (!bytes || error != std::errc() || stop != end || digits.empty()) return std::nullopt;
  return Line{std::move(*bytes), rank};
}

std::string_view first_line(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

bool looks_like_tiktoken(std::string_view text) {
  return read_line(first_line(text)).has_value();
}

TokenizerPtr parse_tiktoken(std::string_view text, const std::string& name) {
  BpeSpec spec;
  spec.merge_by_id = spec.ignore_merges = true;
  std::unordered_set<std::string> seen;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = first_line(text);
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    if (line.empty()) continue;
    const std::string where = name + ":" + std::to_string(number);
    const auto entry = read_line(line);
    if (!entry) fail(where, "'" + std::string(line.substr(0, 80)) + "'", "token-in-base64 rank");
    if (entry->rank > static_cast<uint32_t>(MergeTable::kMaxId)) {
      fail(where, "rank " + std::to_string(entry->rank),
           "at most " + std::to_string(MergeTable::kMaxId));
    }
    if (spec.entries.size() <= entry->rank) spec.entries.resize(entry->rank + 1);
    if (!spec.entries[entry->rank].empty()) {
      fail(where, "rank " + std::to_string(entry->rank) + " again", "each rank once");
    }
    spec.entries[entry->rank] = spell_bytes(entry->bytes);
    if (!seen.insert(spec.entries[entry->rank]).second) {
      fail(where, "'" + spec.entries[entry->rank] + "' again", "each token once");
    }
  }
  SplitPattern pattern = SplitPattern::kLlama3;
  std::vector<std::pair<int32_t, std::string>> special;
  for (const KnownRanks& known : known_ranks()) {
    if (known.count != seen.size()) continue;
    pattern = known.pattern;
    special = known.special;
  }
  PipelineSpec pipeline = PipelineSpec::byte_level(
      pattern == SplitPattern::kGpt2 ? std::string_view() : split_pattern_regex(pattern));
  for (const auto& [id, content] : special) {
    pipeline.added_tokens.push_back({.id = id, .content = content});
    if (spec.entries.size() <= static_cast<size_t>(id)) spec.entries.resize(id + 1);
    // In the vocabulary too, so that a tokenizer.json keeps the id.
    if (spec.entries[id].empty()) spec.entries[id] = content;
  }
  return std::make_shared<PipelineTokenizer>(
      std::move(pipeline), [&](bool) { return std::make_unique<BpeModel>(std::move(spec), name); },
      name);
}

}  // namespace rmkv
