// Whole words, WordPiece and Unigram.  Where rules seem odd they are Hugging Face's (models/*.rs).
#include "tokenizer/plain_models.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "core/base/error.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

// What an unknown character costs more than the least probable token.
constexpr double kUnknownPenalty = 10;

constexpr uint32_t kNowhere = 0xFFFFFFFF;

std::vector<std::pair<std::string_view, int32_t>> trie_entries(
    const std::unordered_map<std::string_view, int32_t>& id_of) {
  return {id_of.begin(), id_of.end()};
}

}  // namespace

FileModel::FileModel(const JsonNode& model, std::vector<std::string> entries)
    : json_(simdjson::minify(model.value)), entries_(std::move(entries)) {
  id_of_.reserve(entries_.size());
  for (size_t id = 0; id < entries_.size(); ++id) {
    if (!entries_[id].empty()) id_of_.insert_or_assign(entries_[id], static_cast<int32_t>(id));
  }
}

int32_t FileModel::find(std::string_view text) const {
  const auto found = id_of_.find(text);
  return found == id_of_.end() ? -1 : found->second;
}

int32_t FileModel::id_of_member(const JsonNode& model, const char* key) const {
  return find(model.get(key).as_string());
}

WordLevelModel::WordLevelModel(const JsonNode& model, std::vector<std::string> entries)
    : FileModel(model, std::move(entries)), unknown_id_(id_of_member(model, "unk_token")) {}

void WordLevelModel::encode_word(std::string_view word, WordScratch& scratch) const {
  const int32_t id = find(word);
  if (id < 0 && unknown_id_ < 0) {
    fail("tokenizer.encode", "'" + std::string(word.substr(0, 40)) + "'",
         "a word of the vocabulary, which has no unknown token");
  }
  scratch.merge.ids.assign(1, id >= 0 ? id : unknown_id_);
}

WordPieceModel::WordPieceModel(const JsonNode& model, std::vector<std::string> entries)
    : FileModel(model, std::move(entries)),
      unknown_id_(id_of_member(model, "unk_token")),
      prefix_(model.get("continuing_subword_prefix").as_string()),
      max_characters_(model.get("max_input_chars_per_word").as_integer(0, int64_t{1} << 40)) {
  for (const std::string& entry : entries_) longest_ = std::max(longest_, entry.size());
}

void WordPieceModel::encode_word(std::string_view word, WordScratch& scratch) const {
  std::vector<int32_t>& ids = scratch.merge.ids;
  ids.clear();
  const char* const end = word.data() + word.size();
  int64_t characters = 0;
  for (const char* p = word.data(); p < end; ++characters) p += decode_utf8(p, end).size_bytes;
  bool known = characters <= max_characters_;
  std::string piece;
  for (size_t begin = 0; known && begin < word.size();) {
    size_t size = std::min(word.size() - begin, longest_);
    int32_t id = -1;
    for (; size > 0; --size) {
      if (begin == 0) {
        id = find(word.substr(0, size));
      } else {
        piece = prefix_;
        piece += word.substr(begin, size);
        id = find(piece);
      }
      if (id >= 0) break;
    }
    known = id >= 0;
    ids.push_back(id);
    begin += size;
  }
  if (known) return;
  if (unknown_id_ < 0) {
    fail("tokenizer.encode", "'" + std::string(word.substr(0, 40)) + "'",
         "a word of the vocabulary's pieces; it has no unknown token");
  }
  ids.assign(1, unknown_id_);
}

UnigramModel::UnigramModel(const JsonNode& model, std::vector<std::string> entries,
                           std::vector<double> scores)
    : FileModel(model, std::move(entries)),
      scores_(std::move(scores)),
      trie_(trie_entries(id_of_)) {
  double least = std::numeric_limits<double>::infinity();
  for (const double score : scores_) least = std::min(least, score);
  unknown_score_ = least - kUnknownPenalty;
  const auto unknown = model.find("unk_id");
  unknown_id_ = unknown && !unknown->is_null() ? unknown->as_id() : -1;
  if (unknown_id_ >= static_cast<int32_t>(entries_.size())) {
    fail(unknown->where, std::to_string(unknown_id_), "an id of the vocabulary");
  }
  const bool byte_fallback = model.flag("byte_fallback", false);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
    byte_ids_[byte] = byte_fallback ? find(name) : -1;
  }
}

void UnigramModel::add_token(std::string_view text, std::vector<int32_t>& ids) const {
  const int32_t id = find(text);
  if (id >= 0) {
    ids.push_back(id);
    return;
  }
  const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (std::all_of(text.begin(), text.end(), [&](char byte) { return byte_id(byte) >= 0; })) {
    for (const char byte : text) ids.push_back(byte_id(byte));
    return;
  }
  if (unknown_id_ >= 0) ids.push_back(unknown_id_);
}

void UnigramModel::encode_word(std::string_view word, WordScratch& scratch) const {
  if (word.size() >= kNowhere) {
    fail("tokenizer.encode", "a word of " + std::to_string(word.size()) + " bytes",
         "words under 4 GiB");
  }
  std::vector<WordScratch::Node>& nodes = scratch.nodes;
  nodes.assign(word.size() + 1, {0, 0, kNowhere});
  const char* const end = word.data() + word.size();
  for (size_t begin = 0; begin < word.size();) {
    const char* const p = word.data() + begin;
    const double score = nodes[begin].score;
    const auto offer = [&](size_t stop, double total, int32_t id) {
      WordScratch::Node& node = nodes[stop];
      if (node.begin == kNowhere || total > node.score) {
        node = {total, id, static_cast<uint32_t>(begin)};
      }
    };
    const uint32_t character = decode_utf8(p, end).size_bytes;
    bool has_character = false;
    trie_.for_each_prefix(p, end, [&](int32_t id, uint32_t size) {
      offer(begin + size, scores_[id] + score, id);
      has_character = has_character || size == character;
    });
    if (!has_character) {
      if (unknown_id_ < 0) {
        fail("tokenizer.encode", "'" + std::string(p, character) + "'",
             "a character of the vocabulary, which has no unknown token");
      }
      offer(begin + character, unknown_score_ + score, unknown_id_);
    }
    begin += character;
  }
  // Backwards along the best path; neighbouring unknown characters are one token.
  std::vector<int32_t>& ids = scratch.merge.ids;
  ids.clear();
  std::vector<std::pair<std::string_view, bool>> tokens;
  for (size_t stop = word.size(); stop > 0;) {
    const WordScratch::Node& node = nodes[stop];
    const bool unknown = node.id == unknown_id_;
    const std::string_view text = word.substr(node.begin, stop - node.begin);
    if (unknown && !tokens.empty() && tokens.back().second) {
      tokens.back().first = {text.data(), text.size() + tokens.back().first.size()};
    } else {
      tokens.emplace_back(text, unknown);
    }
    stop = node.begin;
  }
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
    add_token(token->first, ids);
  }
}

}  // namespace rmkv
