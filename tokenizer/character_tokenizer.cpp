// The character tokenizer and the three ways to make one without a file.
#include "tokenizer/character_tokenizer.h"

#include <set>

#include "core/base/error.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

constexpr std::string_view kUnknown = "<unk>";

TokenizerPtr make_from_code_points(const std::set<uint32_t>& code_points,
                                   const std::string& where) {
  CharacterSpec spec;
  for (const std::string_view name : kSpecialTokens) {
    const auto id = static_cast<int32_t>(spec.characters.size());
    if (name == kUnknown) spec.unknown_id = id;
    spec.characters.emplace_back(name);
    spec.added_tokens.push_back({.id = id, .content = std::string(name)});
  }
  for (const uint32_t code_point : code_points) {
    append_utf8(code_point, spec.characters.emplace_back());
  }
  return std::make_shared<CharacterTokenizer>(std::move(spec), where);
}

}  // namespace

CharacterTokenizer::CharacterTokenizer(CharacterSpec spec, const std::string& where)
    : spec_(std::move(spec)), added_tokens_(spec_.added_tokens) {
  texts_ = spec_.characters;
  for (size_t id = 0; id < texts_.size(); ++id) {
    if (texts_[id].empty()) continue;
    id_of_text_.emplace(texts_[id], static_cast<int32_t>(id));
    const char* const end = texts_[id].data() + texts_[id].size();
    const Utf8Char c = decode_utf8(texts_[id].data(), end);
    if (c.size_bytes == texts_[id].size()) {
      id_of_code_point_.emplace(c.code_point, static_cast<int32_t>(id));
    }
  }
  for (const AddedToken& token : spec_.added_tokens) {
    if (texts_.size() <= static_cast<size_t>(token.id)) texts_.resize(token.id + 1);
    texts_[token.id] = token.content;
    id_of_text_.insert_or_assign(token.content, token.id);
  }
  special_.assign(texts_.size(), false);
  for (const AddedToken& token : spec_.added_tokens) special_[token.id] = token.special;
  if (spec_.unknown_id < 0 || static_cast<size_t>(spec_.unknown_id) >= spec_.characters.size()) {
    fail(where, "no unknown token in the vocabulary", "one for characters that it lacks");
  }
}

void CharacterTokenizer::encode_to(std::string_view text, const EncodeOptions& options,
                                   std::vector<int32_t>& ids) const {
  std::vector<TextPiece> pieces;
  added_tokens_.cut(text, options.parse_special, pieces);
  for (const TextPiece& piece : pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    const char* const end = piece.text.data() + piece.text.size();
    for (const char* p = piece.text.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      const auto found = id_of_code_point_.find(c.code_point);
      ids.push_back(found == id_of_code_point_.end() ? spec_.unknown_id : found->second);
      p += c.size_bytes;
    }
  }
}

std::string_view CharacterTokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    fail("tokenizer.token_bytes", "id " + std::to_string(id),
         "an id from 0 to " + std::to_string(vocab_size() - 1));
  }
  return texts_[id];
}

std::optional<int32_t> CharacterTokenizer::token_id(std::string_view bytes) const {
  const auto found = id_of_text_.find(std::string(bytes));
  if (found == id_of_text_.end()) return std::nullopt;
  return found->second;
}

bool CharacterTokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && special_[id];
}

TokenizerPtr make_ascii_tokenizer() {
  std::set<uint32_t> code_points{'\n'};
  for (uint32_t c = ' '; c <= '~'; ++c) code_points.insert(c);
  return make_from_code_points(code_points, "tokenizer.ascii");
}

TokenizerPtr make_character_tokenizer(std::string_view text) {
  std::set<uint32_t> code_points;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    if (c.code_point != kInvalidCodePoint) code_points.insert(c.code_point);
    p += c.size_bytes;
  }
  return make_from_code_points(code_points, "tokenizer.characters");
}

namespace {

TokenizerPtr make_from_bytes(std::span<const std::string_view> special_tokens) {
  BpeSpec spec;
  PipelineSpec pipeline = PipelineSpec::byte_level("");
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    spec.entries.push_back(spell_bytes({&c, 1}));
  }
  for (const std::string_view name : special_tokens) {
    pipeline.added_tokens.push_back(
        {.id = static_cast<int32_t>(spec.entries.size()), .content = std::string(name)});
    spec.entries.emplace_back(name);
  }
  const std::string where = "tokenizer.bytes";
  return std::make_shared<PipelineTokenizer>(
      std::move(pipeline), [&](bool) { return std::make_unique<BpeModel>(std::move(spec), where); },
      where);
}

}  // namespace

TokenizerPtr make_byte_tokenizer() {
  return make_from_bytes(kSpecialTokens);
}

TokenizerPtr make_plain_byte_tokenizer() {
  return make_from_bytes({});
}

}  // namespace rmkv
