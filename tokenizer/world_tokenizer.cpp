// Encoding by the trie, and checks of the vocabulary.
#include "tokenizer/world_tokenizer.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "tokenizer/greedy_match.h"
#include "tokenizer/tokenizer_json.h"

namespace rmkv {
namespace {

std::vector<std::pair<std::string_view, int32_t>> trie_entries(
    const std::vector<std::string>& tokens) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  entries.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) entries.emplace_back(tokens[id], static_cast<int32_t>(id));
  }
  return entries;
}

void check_tokens(const std::vector<std::string>& tokens, const std::string& where) {
  if (tokens.empty() || !tokens[0].empty()) fail(where, "a token of id 0", "ids from 1");
  std::array<bool, 256> has{};
  std::unordered_map<std::string_view, size_t> seen;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    if (tokens[id].size() == 1) has[static_cast<unsigned char>(tokens[id][0])] = true;
    const auto [entry, is_new] = seen.emplace(tokens[id], id);
    if (!is_new) {
      fail(where,
           "ids " + std::to_string(entry->second) + " and " + std::to_string(id) +
               " for the same bytes",
           "each token once");
    }
  }
  const auto missing = std::find(has.begin(), has.end(), false);
  if (missing != has.end()) {
    fail(where, "no token for byte " + std::to_string(missing - has.begin()),
         "one for each of the 256 bytes");
  }
}

}  // namespace

WorldTokenizer::WorldTokenizer(std::vector<std::string> tokens, const std::string& where)
    : tokens_((check_tokens(tokens, where), std::move(tokens))), trie_(trie_entries(tokens_)) {
  table_.add(kWorldEndOfText, true);
  for (size_t id = 1; id < tokens_.size(); ++id) table_.add(tokens_[id], false);
  table_.finish();
}

void WorldTokenizer::encode_to(std::string_view text, const EncodeOptions& options,
                               std::vector<int32_t>& ids) const {
  match_greedily(trie_, text, options.threads, ids);
}

std::string WorldTokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  table_.decode(ids, skip_special, text);
  return text;
}

std::optional<int32_t> WorldTokenizer::token_id(std::string_view bytes) const {
  if (bytes == kWorldEndOfText) return 0;
  if (bytes.empty()) return std::nullopt;
  const ByteTrie::Match match = trie_.longest_prefix(bytes.data(), bytes.data() + bytes.size());
  if (match.size_bytes != bytes.size()) return std::nullopt;
  return match.value;
}

std::string WorldTokenizer::to_json() const {
  return write_greedy_json(tokens_, kWorldEndOfText);
}

}  // namespace rmkv
