// Reads tokenizer.json.  A file is the work of a stranger: every type, id and size is checked, and
// what this program does not do is refused by name rather than skipped.
#include <algorithm>
#include <unordered_set>

#include "core/base/error.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/character_tokenizer.h"
#include "tokenizer/json_node.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/plain_models.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocab_reader.h"
#include "tokenizer/world_tokenizer.h"

namespace rmkv {
namespace {

using simdjson::dom::element;

constexpr std::string_view kTopLevelKeys[] = {"version",        "truncation", "padding",
                                              "added_tokens",   "normalizer", "pre_tokenizer",
                                              "post_processor", "decoder",    "model"};

// Hugging Face does not take ids from the file: a token has the id that the vocabulary gives it,
// another one the next free id.
std::vector<AddedToken> read_added_tokens(const JsonNode& file, const TextIds& id_of) {
  std::vector<AddedToken> tokens;
  const auto list = file.find("added_tokens");
  if (!list || list->is_null()) return tokens;
  const auto vocab_size = static_cast<int32_t>(id_of.size());
  std::unordered_map<std::string_view, size_t> place_of;
  int32_t greatest = -1;
  for (const element value : list->as_array()) {
    const JsonNode node{value, list->where + "[" + std::to_string(tokens.size()) + "]"};
    const std::string_view content = node.get("content").as_string();
    if (content.empty()) continue;
    AddedToken token;
    token.content = content;
    token.single_word = node.flag("single_word", false);
    token.lstrip = node.flag("lstrip", false);
    token.rstrip = node.flag("rstrip", false);
    token.special = node.flag("special", false);
    token.normalized = node.flag("normalized", !token.special);
    const auto known = place_of.find(content);
    if (known != place_of.end()) {
      token.id = tokens[known->second].id;
      tokens[known->second] = token;
      continue;
    }
    token.id = id_of.find(content);
    if (token.id < 0) token.id = std::max(greatest + 1, vocab_size);
    if (token.id > MergeTable::kMaxId) fail(node.where, "more tokens", "at most 2,097,151");
    greatest = std::max(greatest, token.id);
    place_of.emplace(content, tokens.size());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::string_view type_of(const JsonNode& node) {
  if (!node.value.is_object()) return {};
  const auto type = node.find("type");
  return type ? type->as_string() : std::string_view();
}

// The member as JSON text; "null" when it is missing.
std::string text_of(const JsonNode& file, const char* key) {
  const auto member = file.find(key);
  return member ? std::string(simdjson::minify(member->value)) : "null";
}

PipelineSpec read_pipeline(const JsonNode& file, const TextIds& id_of) {
  return {.truncation = text_of(file, "truncation"),
          .padding = text_of(file, "padding"),
          .normalizer = text_of(file, "normalizer"),
          .pre_tokenizer = text_of(file, "pre_tokenizer"),
          .post_processor = text_of(file, "post_processor"),
          .decoder = text_of(file, "decoder"),
          .added_tokens = read_added_tokens(file, id_of)};
}

TokenizerPtr make_pipeline(const JsonNode& file, const TextIds& id_of,
                           const PipelineTokenizer::ModelMaker& make_model) {
  return std::make_shared<PipelineTokenizer>(read_pipeline(file, id_of), make_model, file.where);
}

int32_t read_unknown_id(const JsonNode& model, const TextIds& id_of) {
  const auto unknown = model.find("unk_token");
  if (!unknown || unknown->is_null()) return -1;
  const int32_t id = id_of.find(unknown->as_string());
  if (id < 0) {
    fail(unknown->where, "'" + std::string(unknown->as_string()) + "'",
         "a token of the vocabulary");
  }
  return id;
}

TokenizerPtr read_bpe(const JsonNode& file, const JsonNode& model) {
  BpeSpec spec;
  if (!model.is_blank("continuing_subword_prefix")) {
    spec.continuing_prefix = model.get("continuing_subword_prefix").as_string();
  }
  if (!model.is_blank("end_of_word_suffix")) {
    spec.end_of_word_suffix = model.get("end_of_word_suffix").as_string();
  }
  if (const auto dropout = model.find("dropout"); dropout && !dropout->is_null()) {
    spec.dropout = dropout->as_number();
    if (!(spec.dropout >= 0 && spec.dropout <= 1)) {
      fail(dropout->where, std::to_string(spec.dropout), "a share from 0 to 1");
    }
  }
  const TextIds id_of = read_vocab(model.get("vocab"), spec.entries);
  read_merges(model.get("merges"), id_of, spec);
  if (const auto unknown = model.find("unk_token"); unknown && !unknown->is_null()) {
    spec.unknown_id = id_of.find(unknown->as_string());
    if (spec.unknown_id < 0) spec.missing_unknown = unknown->as_string();
  }
  spec.fuse_unknown = model.flag("fuse_unk", false);
  spec.byte_fallback = model.flag("byte_fallback", false);
  spec.ignore_merges = model.flag("ignore_merges", false);
  return make_pipeline(file, id_of, [&](bool byte_level) {
    spec.byte_level = byte_level;
    return std::make_unique<BpeModel>(std::move(spec), file.where);
  });
}

// The form that character tokenizers are written in.
bool is_character_file(const JsonNode& file) {
  const auto split = file.find("pre_tokenizer"), decoder = file.find("decoder");
  if (!split || type_of(*split) != "Split" || !decoder || type_of(*decoder) != "Fuse") return false;
  const auto regex = split->get("pattern").find("Regex");
  if (!regex || regex->as_string() != kAnyCharacterRegex) return false;
  return split->get("behavior").as_string() == "Isolated" &&
         text_of(file, "normalizer") == "null" && text_of(file, "post_processor") == "null" &&
         text_of(file, "truncation") == "null" && text_of(file, "padding") == "null";
}

TokenizerPtr read_words(const JsonNode& file, const JsonNode& model) {
  std::vector<std::string> entries;
  const TextIds id_of = read_vocab(model.get("vocab"), entries);
  if (is_character_file(file)) {
    CharacterSpec spec;
    spec.characters = std::move(entries);
    spec.added_tokens = read_added_tokens(file, id_of);
    spec.unknown_id = read_unknown_id(model, id_of);
    return std::make_shared<CharacterTokenizer>(std::move(spec), file.where);
  }
  return make_pipeline(file, id_of, [&](bool byte_level) {
    if (byte_level) fail(model.where, "words behind a byte-level step", "words of text");
    return std::make_unique<WordLevelModel>(model, std::move(entries));
  });
}

// The form that write_greedy_json writes.
bool is_greedy_file(const JsonNode& file, const JsonNode& model) {
  const auto step = file.find("pre_tokenizer"), decoder = file.find("decoder");
  return step && type_of(*step) == "ByteLevel" && !step->flag("use_regex", true) &&
         !step->flag("add_prefix_space", true) && decoder && type_of(*decoder) == "ByteLevel" &&
         model.get("continuing_subword_prefix").as_string().empty() &&
         text_of(file, "normalizer") == "null" && text_of(file, "post_processor") == "null";
}

TokenizerPtr read_word_pieces(const JsonNode& file, const JsonNode& model) {
  std::vector<std::string> entries;
  const TextIds id_of = read_vocab(model.get("vocab"), entries);
  if (is_greedy_file(file, model)) {
    if (!read_added_tokens(file, id_of).empty()) {
      fail(file.where + ".added_tokens", "tokens", "none beside a greedy vocabulary of bytes");
    }
    std::vector<std::string> tokens(entries.size());
    for (size_t id = 1; id < entries.size(); ++id) {
      auto bytes = unspell_bytes(entries[id]);
      if (!bytes) fail(model.where, "'" + entries[id] + "'", "a spelling of bytes");
      tokens[id] = std::move(*bytes);
    }
    return std::make_shared<WorldTokenizer>(std::move(tokens), file.where);
  }
  return make_pipeline(file, id_of, [&](bool byte_level) {
    if (byte_level) fail(model.where, "WordPiece behind a byte-level step", "pieces of text");
    return std::make_unique<WordPieceModel>(model, std::move(entries));
  });
}

TokenizerPtr read_unigram(const JsonNode& file, const JsonNode& model) {
  std::vector<std::string> entries;
  std::vector<double> scores;
  for (const JsonNode& entry : model.get("vocab").elements()) {
    const auto pair = entry.elements();
    if (pair.size() != 2) entry.fail_type("a token and its score");
    if (entries.size() > static_cast<size_t>(MergeTable::kMaxId)) {
      fail(entry.where, "more tokens", "at most 2,097,151");
    }
    entries.emplace_back(pair[0].as_string());
    scores.push_back(pair[1].as_number());
  }
  if (entries.empty()) fail(model.where + ".vocab", "no tokens", "at least one");
  TextIds id_of(entries.size());
  for (size_t id = 0; id < entries.size(); ++id) {
    id_of.assign(entries[id], static_cast<int32_t>(id));
  }
  // HF's next free id follows the number of entries, whichever are equal.
  return make_pipeline(file, id_of, [&](bool byte_level) {
    if (byte_level) fail(model.where, "Unigram behind a byte-level step", "pieces of text");
    return std::make_unique<UnigramModel>(model, std::move(entries), std::move(scores));
  });
}

TokenizerPtr read_file_object(const JsonNode& file) {
  std::unordered_set<std::string_view> seen;
  for (const auto member : file.as_object()) {
    const std::string key(member.key);
    if (std::find(std::begin(kTopLevelKeys), std::end(kTopLevelKeys), member.key) ==
        std::end(kTopLevelKeys)) {
      const std::vector<std::string> names(std::begin(kTopLevelKeys), std::end(kTopLevelKeys));
      fail(file.where, unknown_name_text("key", key, names), "a tokenizer.json");
    }
    if (!seen.insert(member.key).second) fail(file.where, "'" + key + "' twice", "each key once");
  }
  if (const auto version = file.find("version"); version && version->as_string() != "1.0") {
    fail(version->where, "'" + std::string(version->as_string()) + "'", "'1.0'");
  }
  const JsonNode model = file.get("model");
  const std::string_view type = type_of(model);
  if (type == "WordLevel") return read_words(file, model);
  if (type == "WordPiece") return read_word_pieces(file, model);
  if (type == "Unigram") return read_unigram(file, model);
  // GPT-2's own file has no type.
  if (type == "BPE" || (type.empty() && model.find("merges"))) return read_bpe(file, model);
  fail(model.where, "a model of type '" + std::string(type) + "'",
       "BPE, Unigram, WordPiece or WordLevel");
}

}  // namespace

TokenizerPtr parse_tokenizer_json(std::string_view json, const std::string& name) {
  JsonText text(json, name);
  return read_file_object(text.root());
}

}  // namespace rmkv
