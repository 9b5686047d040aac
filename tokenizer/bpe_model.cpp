// Symbols of words, and the tables behind them.
#include "tokenizer/bpe_model.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <tuple>

#include "core/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/merge_cuts.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

// Bits that tell where in a word a byte stands.
constexpr size_t kInside = 1, kAtEnd = 2;

TextIds ids_of_entries(const BpeSpec& spec) {
  TextIds id_of(spec.entries.size());
  for (size_t id = 0; id < spec.entries.size(); ++id) {
    if (!spec.entries[id].empty()) id_of.add(spec.entries[id], static_cast<int32_t>(id));
  }
  return id_of;
}

std::vector<MergeTable::Merge> resolve_listed(const BpeSpec& spec, const std::string& where) {
  // Made when it is needed: merges mostly make the tokens in the order of their ids.
  std::optional<TextIds> id_of;
  if (spec.merges.size() > MergeTable::kMaxMerges) {
    fail(where, std::to_string(spec.merges.size()) + " merges",
         "at most " + std::to_string(MergeTable::kMaxMerges));
  }
  std::vector<MergeTable::Merge> merges;
  merges.reserve(spec.merges.size());
  std::string whole;
  const size_t prefix = spec.continuing_prefix.size();
  for (const auto& [left, right] : spec.merges) {
    const std::string& tail = spec.entries[right];
    if (tail.size() < prefix) fail(where, "a merge with '" + tail + "'", "a word's prefix on it");
    whole = spec.entries[left];
    whole.append(tail, prefix);
    const int32_t guess = merges.empty() ? -1 : merges.back().result + 1;
    if (guess >= 0 && static_cast<size_t>(guess) < spec.entries.size() &&
        spec.entries[guess] == whole) {
      merges.push_back({left, right, guess});
      continue;
    }
    if (!id_of) id_of = ids_of_entries(spec);
    const int32_t id = id_of->find(whole);
    if (id < 0) {
      fail(where, "a merge that makes '" + whole + "'",
           "a merge whose result is in the vocabulary");
    }
    merges.push_back({left, right, id});
  }
  return merges;
}

}  // namespace

BpeModel::BpeModel(BpeSpec spec, const std::string& where)
    : where_(where),
      spec_(std::move(spec)),
      merges_(spec_.merge_by_id ? std::vector<MergeTable::Merge>() : resolve_listed(spec_, where)),
      plain_(spec_.continuing_prefix.empty() && spec_.end_of_word_suffix.empty()),
      whole_words_(spec_.entries.size()) {
  add_words();
  find_symbols();
  if (spec_.byte_level && !plain_) find_affixed_symbols();
  if (spec_.merge_by_id) {
    std::vector<MergeTable::Merge> merges;
    std::vector<uint32_t> ranks;
    for (size_t id = 0; id < spec_.entries.size(); ++id) {
      const auto bytes = unspell_bytes(spec_.entries[id]);
      if (!bytes) continue;
      const std::string_view whole = *bytes;
      for (size_t size = 1; size < whole.size(); ++size) {
        const int32_t left = find(whole.substr(0, size)), right = find(whole.substr(size));
        if (left < 0 || right < 0) continue;
        merges.push_back({left, right, static_cast<int32_t>(id)});
        ranks.push_back(static_cast<uint32_t>(id));
      }
    }
    if (merges.size() > MergeTable::kMaxMerges) fail(where, "too many merges", "4 million");
    merges_ = MergeTable(std::move(merges), ranks);
  }
  add_whole_words();
  if (!spec_.byte_level && plain_ && !spec_.ignore_merges) cuts_ = make_merge_cuts(spec_, merges_);
  const bool all_bytes = spec_.byte_level && std::find(std::begin(byte_ids_), std::end(byte_ids_),
                                                       -1) == std::end(byte_ids_);
  if (all_bytes && plain_ && !spec_.ignore_merges)
    long_word_cuts_ = make_byte_cuts(words_, merges_);
  only_bytes_ = all_bytes && plain_ && merges_.merges().empty() && !spec_.ignore_merges;
}

void BpeModel::add_words() {
  std::vector<uint32_t> offsets;
  std::vector<bool> known;
  offsets.reserve(spec_.entries.size() + 1);
  known.reserve(spec_.entries.size());
  words_.reserve(spec_.entries.size());
  for (const std::string& entry : spec_.entries) {
    offsets.push_back(static_cast<uint32_t>(bytes_.size()));
    const size_t before = bytes_.size();
    known.push_back(spec_.byte_level ? append_unspelled(entry, bytes_) : (bytes_ += entry, true));
    if (!known.back()) bytes_.resize(before);
  }
  offsets.push_back(static_cast<uint32_t>(bytes_.size()));
  for (size_t id = 0; id < spec_.entries.size(); ++id) {
    words_.push_back(
        known[id] ? std::string_view(bytes_).substr(offsets[id], offsets[id + 1] - offsets[id])
                  : std::string_view());
  }
  if (spec_.byte_level && !spec_.ignore_merges && !spec_.merge_by_id) return;
  id_of_ = TextIds(words_.size());
  for (size_t id = 0; id < words_.size(); ++id) {
    if (!words_[id].empty()) id_of_.add(words_[id], static_cast<int32_t>(id));
  }
}

int32_t BpeModel::find(std::string_view text) const {
  return id_of_.find(text);
}

void BpeModel::find_symbols() {
  std::fill(std::begin(byte_ids_), std::end(byte_ids_), -1);
  std::fill(std::begin(ascii_ids_), std::end(ascii_ids_), -1);
  for (size_t id = 0; id < words_.size(); ++id) {
    const std::string_view word = words_[id];
    if (word.empty()) continue;
    const auto token = static_cast<int32_t>(id);
    const Utf8Char c = decode_utf8(word.data(), word.data() + word.size());
    if (spec_.byte_level) {
      if (word.size() == 1) byte_ids_[static_cast<unsigned char>(word[0])] = token;
    } else if (c.size_bytes == word.size() && c.code_point != kInvalidCodePoint) {
      id_of_character_.emplace(c.code_point, token);
      if (c.code_point < 128) ascii_ids_[c.code_point] = token;
    }
  }
  if (spec_.byte_level || !spec_.byte_fallback) return;
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    byte_ids_[byte] = find(name);
  }
}

// CLIP writes its bytes as "a" inside a word and "a</w>" at its end.
void BpeModel::find_affixed_symbols() {
  const TextIds id_of = ids_of_entries(spec_);
  affixed_ids_.assign(4 * 256, -1);
  for (size_t place = 0; place < 4; ++place) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      std::string symbol = (place & kInside) != 0 ? spec_.continuing_prefix : "";
      symbol += spell_bytes({&c, 1});
      if ((place & kAtEnd) != 0) symbol += spec_.end_of_word_suffix;
      affixed_ids_[place * 256 + byte] = id_of.find(symbol);
    }
  }
}

void BpeModel::add_whole_words() {
  if (!plain_) return;
  std::vector<bool> whole;
  if (!spec_.ignore_merges) {
    std::vector<int32_t> symbols;
    if (spec_.byte_level) {
      symbols.assign(std::begin(byte_ids_), std::end(byte_ids_));
    } else {
      for (const auto& [character, id] : id_of_character_) symbols.push_back(id);
    }
    whole = find_whole_tokens(merges_, symbols, spec_.entries.size());
  }
  for (size_t id = 0; id < words_.size(); ++id) {
    if (words_[id].empty() || words_[id].size() > WordKey::kMaxBytes) continue;
    if (spec_.ignore_merges || whole[id]) whole_words_.insert(words_[id], static_cast<int32_t>(id));
  }
}

void BpeModel::encode_word(std::string_view word, WordScratch& scratch) const {
  if (word.size() >= std::numeric_limits<uint32_t>::max()) {
    fail("tokenizer.encode", "a word of " + std::to_string(word.size()) + " bytes",
         "words under 4 GiB");
  }
  std::vector<int32_t>& ids = scratch.merge.ids;
  ids.clear();
  if (spec_.ignore_merges && scratch.dropout == nullptr) {
    if (const int32_t id = find(word); id >= 0) {
      ids.push_back(id);
      return;
    }
  }
  if (spec_.byte_level) {
    split_bytes(word, ids);
  } else {
    split_characters(word, ids);
  }
  if (scratch.dropout != nullptr) {
    merge_symbols_with_dropout(merges_, scratch.merge, scratch.dropout->share,
                               scratch.dropout->random);
  } else {
    merge_symbols(merges_, scratch.merge);
  }
}

void BpeModel::split_bytes(std::string_view word, std::vector<int32_t>& ids) const {
  bool after_unknown = false;
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    int32_t id = byte_ids_[byte];
    if (!plain_) {
      const size_t place = (i > 0 ? kInside : 0) | (i + 1 == word.size() ? kAtEnd : 0);
      id = affixed_ids_[place * 256 + byte];
    }
    const bool unknown = id < 0;
    if (!unknown) {
      ids.push_back(id);
    } else if (has_unknown() && !(after_unknown && spec_.fuse_unknown)) {
      ids.push_back(spec_.unknown_id);
    }
    after_unknown = unknown;
  }
}

bool BpeModel::has_unknown() const {
  if (!spec_.missing_unknown.empty()) {
    fail(where_, "text that needs the unknown token '" + spec_.missing_unknown + "'",
         "text of the vocabulary, which lacks that token");
  }
  return spec_.unknown_id >= 0;
}

// As Hugging Face does it (models/bpe/model.rs, merge_word), so an unknown token waits until the
// next known one, and bytes overtake it.
void BpeModel::split_characters(std::string_view word, std::vector<int32_t>& ids) const {
  const char* const end = word.data() + word.size();
  bool waiting = false;
  std::string affixed;
  for (const char* p = word.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    const char* const next = p + c.size_bytes;
    std::string_view symbol(p, c.size_bytes);
    int32_t id = -1;
    if (plain_) {
      if (c.code_point < 128) {
        id = ascii_ids_[c.code_point];
      } else if (const auto found = id_of_character_.find(c.code_point);
                 found != id_of_character_.end()) {
        id = found->second;
      }
    } else {
      affixed = p == word.data() ? "" : spec_.continuing_prefix;
      affixed += symbol;
      if (next == end) affixed += spec_.end_of_word_suffix;
      symbol = affixed;
      id = find(symbol);
    }
    p = next;
    if (id >= 0) {
      if (waiting) ids.push_back(spec_.unknown_id);
      waiting = false;
      ids.push_back(id);
      continue;
    }
    const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
    if (std::all_of(symbol.begin(), symbol.end(), [&](char b) { return byte_id(b) >= 0; })) {
      for (const char byte : symbol) ids.push_back(byte_id(byte));
      continue;
    }
    if (!has_unknown()) continue;
    if (waiting && !spec_.fuse_unknown) ids.push_back(spec_.unknown_id);
    waiting = true;
  }
  if (waiting) ids.push_back(spec_.unknown_id);
}

std::string BpeModel::to_json() const {
  if (!spec_.merge_by_id) return write_bpe_json(spec_);
  // In the order of ids, and for one id in the order of its parts (transformers,
  // convert_slow_tokenizer.py, TikTokenConverter).
  BpeSpec listed = spec_;
  std::vector<MergeTable::Merge> merges = merges_.merges();
  std::stable_sort(merges.begin(), merges.end(), [](const auto& a, const auto& b) {
    return std::tie(a.result, a.left, a.right) < std::tie(b.result, b.left, b.right);
  });
  for (const MergeTable::Merge& merge : merges) listed.merges.emplace_back(merge.left, merge.right);
  return write_bpe_json(listed);
}

}  // namespace rmkv
