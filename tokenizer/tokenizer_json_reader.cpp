// Reads tokenizer.json.  A file is the work of a stranger: every type, id and size is checked, and
// what this program does not do is refused by name rather than skipped.
#include <algorithm>
#include <unordered_set>

#include "core/base/error.h"
#include "tokenizer/bpe_tokenizer.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/character_tokenizer.h"
#include "tokenizer/json_node.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocab_reader.h"
#include "tokenizer/world_tokenizer.h"

namespace rmkv {
namespace {

using simdjson::dom::element;

constexpr std::string_view kTopLevelKeys[] = {"version",        "truncation", "padding",
                                              "added_tokens",   "normalizer", "pre_tokenizer",
                                              "post_processor", "decoder",    "model"};

[[noreturn]] void fail_unsupported(const JsonNode& node, std::string_view what) {
  fail(node.where, what, "a byte-level BPE or character tokenizer",
       "this program cannot run such a tokenizer yet");
}

// Hugging Face does not take ids from the file: a token has the id that the vocabulary gives it,
// another one the next free id.
std::vector<AddedToken> read_added_tokens(const JsonNode& file, const IdsOfStrings& id_of) {
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
    const auto found = id_of.find(content);
    token.id = found != id_of.end() ? found->second : std::max(greatest + 1, vocab_size);
    if (token.id > MergeTable::kMaxId) fail(node.where, "more tokens", "at most 2,097,151");
    greatest = std::max(greatest, token.id);
    place_of.emplace(content, tokens.size());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::string_view type_of(const JsonNode& node) {
  const auto type = node.find("type");
  return type ? type->as_string() : std::string_view();
}

std::string regex_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}-#&~ \t\n").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string read_split(const JsonNode& node) {
  const std::string_view behavior = node.get("behavior").as_string();
  if (behavior != "Isolated") {
    fail_unsupported(node, "a split with behavior '" + std::string(behavior) + "'");
  }
  const JsonNode pattern = node.get("pattern");
  if (const auto regex = pattern.find("Regex")) return std::string(regex->as_string());
  return regex_quoted(pattern.get("String").as_string());
}

void read_byte_level(const JsonNode& node, BpeSpec& spec) {
  spec.add_prefix_space = node.flag("add_prefix_space", true);
  spec.byte_level_regex = node.flag("use_regex", true);
}

void read_pre_tokenizer(const JsonNode& node, BpeSpec& spec) {
  if (node.is_null()) fail_unsupported(node, "null");
  const std::string_view type = type_of(node);
  if (type == "ByteLevel") return read_byte_level(node, spec);
  if (type != "Sequence") {
    fail_unsupported(node, "a pre-tokenizer of type '" + std::string(type) + "'");
  }
  const JsonNode list = node.get("pretokenizers");
  bool byte_level = false;
  size_t index = 0;
  for (const element value : list.as_array()) {
    const JsonNode step{value, list.where + "[" + std::to_string(index++) + "]"};
    const std::string_view step_type = type_of(step);
    if (byte_level) fail_unsupported(step, "a step after the byte-level one");
    if (step_type == "Split") {
      spec.split_regexes.push_back(read_split(step));
    } else if (step_type == "Digits") {
      spec.split_regexes.push_back(step.flag("individual_digits", false) ? R"(\p{N})"
                                                                         : R"(\p{N}+)");
    } else if (step_type == "ByteLevel") {
      read_byte_level(step, spec);
      byte_level = true;
    } else {
      fail_unsupported(step, "a pre-tokenizer of type '" + std::string(step_type) + "'");
    }
  }
  if (!byte_level) fail_unsupported(list, "a sequence without a byte-level step");
}

// Only null, or a step of a type that changes no ids and no text.
void expect_null_or(const JsonNode& file, const char* key, std::string_view harmless_type) {
  const auto node = file.find(key);
  if (!node || node->is_null()) return;
  if (harmless_type.empty() || type_of(*node) != harmless_type) {
    const std::string type = node->value.is_object() ? std::string(type_of(*node)) : "";
    fail_unsupported(*node, type.empty() ? std::string(node->type_name()) : "'" + type + "'");
  }
}

void expect_decoder(const JsonNode& file, std::string_view type) {
  const auto decoder = file.find("decoder");
  const std::string found(!decoder || decoder->is_null() ? "null" : type_of(*decoder));
  if (found != type) {
    fail_unsupported(decoder.value_or(JsonNode{file.value, file.where + ".decoder"}),
                     "decoder '" + found + "'");
  }
}

int32_t read_unknown_id(const JsonNode& model, const IdsOfStrings& id_of) {
  const auto unknown = model.find("unk_token");
  if (!unknown || unknown->is_null()) return -1;
  const auto found = id_of.find(unknown->as_string());
  if (found == id_of.end()) {
    fail(unknown->where, "'" + std::string(unknown->as_string()) + "'",
         "a token of the vocabulary");
  }
  return found->second;
}

TokenizerPtr read_bpe(const JsonNode& file, const JsonNode& model) {
  BpeSpec spec;
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.is_blank(key)) fail_unsupported(*model.find(key), "a word affix");
  }
  if (model.flag("byte_fallback", false)) fail_unsupported(model, "byte_fallback");
  if (const auto dropout = model.find("dropout"); dropout && !dropout->is_null()) {
    double share = 0;
    if (dropout->value.get(share) != simdjson::SUCCESS) dropout->fail_type("null or a number");
    if (share != 0) fail_unsupported(*dropout, "dropout");
  }
  const IdsOfStrings id_of = read_vocab(model.get("vocab"), spec.spellings);
  read_merges(model.get("merges"), id_of, spec);
  spec.added_tokens = read_added_tokens(file, id_of);
  spec.unknown_id = read_unknown_id(model, id_of);
  spec.fuse_unknown = model.flag("fuse_unk", false);
  spec.ignore_merges = model.flag("ignore_merges", false);
  const auto pre_tokenizer = file.find("pre_tokenizer");
  if (!pre_tokenizer) fail(file.where, "no 'pre_tokenizer'", "a byte-level one");
  read_pre_tokenizer(*pre_tokenizer, spec);
  expect_decoder(file, "ByteLevel");
  return std::make_shared<BpeTokenizer>(std::move(spec), file.where);
}

TokenizerPtr read_characters(const JsonNode& file, const JsonNode& model) {
  const JsonNode split = file.get("pre_tokenizer");
  if (split.is_null() || type_of(split) != "Split" || read_split(split) != kAnyCharacterRegex) {
    fail_unsupported(split, "a WordLevel model whose words are not single characters");
  }
  expect_decoder(file, "Fuse");
  CharacterSpec spec;
  const IdsOfStrings id_of = read_vocab(model.get("vocab"), spec.characters);
  spec.added_tokens = read_added_tokens(file, id_of);
  spec.unknown_id = read_unknown_id(model, id_of);
  return std::make_shared<CharacterTokenizer>(std::move(spec), file.where);
}

// The form that write_greedy_json writes.
TokenizerPtr read_greedy(const JsonNode& file, const JsonNode& model) {
  const auto pre_tokenizer = file.find("pre_tokenizer");
  BpeSpec byte_level;
  if (pre_tokenizer && type_of(*pre_tokenizer) == "ByteLevel") {
    read_byte_level(*pre_tokenizer, byte_level);
  }
  if (!pre_tokenizer || type_of(*pre_tokenizer) != "ByteLevel" || byte_level.byte_level_regex ||
      byte_level.add_prefix_space || !model.get("continuing_subword_prefix").as_string().empty()) {
    fail_unsupported(model, "a WordPiece model of words");
  }
  expect_decoder(file, "ByteLevel");
  std::vector<std::string> spellings;
  const IdsOfStrings id_of = read_vocab(model.get("vocab"), spellings);
  if (!read_added_tokens(file, id_of).empty()) fail_unsupported(model, "added tokens");
  std::vector<std::string> tokens(spellings.size());
  for (size_t id = 1; id < spellings.size(); ++id) {
    auto bytes = unspell_bytes(spellings[id]);
    if (!bytes) fail(model.where, "'" + spellings[id] + "'", "a spelling of bytes");
    tokens[id] = std::move(*bytes);
  }
  return std::make_shared<WorldTokenizer>(std::move(tokens), file.where);
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
  expect_null_or(file, "truncation", "");
  expect_null_or(file, "padding", "");
  expect_null_or(file, "normalizer", "");
  expect_null_or(file, "post_processor", "ByteLevel");
  const JsonNode model = file.get("model");
  const std::string_view type = type_of(model);
  if (type == "WordPiece") return read_greedy(file, model);
  if (type == "WordLevel") return read_characters(file, model);
  // GPT-2's own file has no type.
  if (type == "BPE" || (type.empty() && model.find("merges"))) return read_bpe(file, model);
  fail_unsupported(model, "a model of type '" + std::string(type) + "'");
}

}  // namespace

TokenizerPtr parse_tokenizer_json(std::string_view json, const std::string& name) {
  JsonText text(json, name);
  return read_file_object(text.root());
}

}  // namespace rmkv
