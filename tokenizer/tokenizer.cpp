// What every tokenizer does alike, and finding out what a file holds.
#include "tokenizer/tokenizer.h"

#include "core/base/error.h"
#include "core/base/file.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/world_tokenizer.h"

namespace rmkv {
namespace {

// Far above any real tokenizer file (the largest have about 30 MB).
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

}  // namespace

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 16);
  encode_to(text, {.parse_special = parse_special}, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  text.reserve(ids.size() * 4);
  for (const int32_t id : ids) {
    const std::string_view bytes = token_bytes(id);
    if (!skip_special || !is_special(id)) text += bytes;
  }
  return text;
}

std::string TextTrim::apply(std::string text) const {
  if (content.empty()) return text;
  size_t first = 0, last = text.size();
  const auto stands_at = [&](size_t at) { return text.compare(at, content.size(), content) == 0; };
  for (int64_t i = 0; i < start && last - first >= content.size() && stands_at(first); ++i) {
    first += content.size();
  }
  for (int64_t i = 0; i < stop && last - first >= content.size(); ++i) {
    if (!stands_at(last - content.size())) break;
    last -= content.size();
  }
  text.resize(last);
  text.erase(0, first);
  return text;
}

int32_t Tokenizer::special(std::string_view name) const {
  const std::optional<int32_t> id = token_id(name);
  if (id && is_special(*id)) return *id;
  std::vector<std::string> names;
  for (int32_t other = 0; other < vocab_size(); ++other) {
    if (is_special(other)) names.emplace_back(token_bytes(other));
  }
  fail("tokenizer.special", unknown_name_text("special token", name, names),
       "a special token of this tokenizer");
}

std::string Tokenizer::fingerprint() const {
  return content_hash(to_json());
}

TokenizerPtr load_tokenizer(const std::string& path) {
  if (is_folder(path)) {
    for (const char* name : {"/tokenizer.json", "/tokenizer.model"}) {
      if (path_exists(path + name)) return load_tokenizer(path + name);
    }
    return load_gpt2(path + "/vocab.json", path + "/merges.txt");
  }
  const std::string text = read_file(path, kMaxFileBytes);
  if (looks_like_world(text)) return parse_world(text, path);
  if (looks_like_tiktoken(text)) return parse_tiktoken(text, path);
  constexpr std::string_view kVocab = "vocab.json";
  if (path.ends_with(kVocab)) {
    const std::string merges = path.substr(0, path.size() - kVocab.size()) + "merges.txt";
    if (path_exists(merges)) return load_gpt2(path, merges);
  }
  return parse_tokenizer_json(text, path);
}

}  // namespace rmkv
