// Writes tokenizer.json, in the order of keys that Hugging Face's library writes.
#include <algorithm>
#include <cstdio>

#include "core/base/json_quote.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_json.h"

namespace rmkv {
namespace {

std::string_view truth(bool x) {
  return x ? "true" : "false";
}

std::string added_tokens_json(const std::vector<AddedToken>& tokens) {
  // Hugging Face writes and expects them by id.
  std::vector<const AddedToken*> sorted;
  for (const AddedToken& token : tokens) sorted.push_back(&token);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const AddedToken* a, const AddedToken* b) { return a->id < b->id; });
  std::string out = "[";
  for (const AddedToken* token : sorted) {
    if (out.size() > 1) out += ',';
    out += "\n    {\"id\": " + std::to_string(token->id) +
           ", \"content\": " + json_quoted(token->content);
    const std::pair<const char*, bool> flags[] = {{"single_word", token->single_word},
                                                  {"lstrip", token->lstrip},
                                                  {"rstrip", token->rstrip},
                                                  {"normalized", token->normalized},
                                                  {"special", token->special}};
    for (const auto& [name, value] : flags) {
      out += std::string(", \"") + name + "\": ";
      out += truth(value);
    }
    out += '}';
  }
  return out + "\n  ]";
}

std::string vocab_json(const std::vector<std::string>& tokens) {
  std::string out = "{";
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    out += out.size() > 1 ? ",\n      " : "\n      ";
    append_json_quoted(tokens[id], out);
    out += ": " + std::to_string(id);
  }
  return out + "\n    }";
}

}  // namespace

std::string write_split_json(std::string_view regex) {
  return "{\"type\": \"Split\", \"pattern\": {\"Regex\": " + json_quoted(regex) +
         "}, \"behavior\": \"Isolated\", \"invert\": false}";
}

std::string write_file_json(const PipelineSpec& spec, const std::string& model) {
  return "{\n  \"version\": \"1.0\",\n  \"truncation\": " + spec.truncation +
         ",\n  \"padding\": " + spec.padding +
         ",\n  \"added_tokens\": " + added_tokens_json(spec.added_tokens) +
         ",\n  \"normalizer\": " + spec.normalizer +
         ",\n  \"pre_tokenizer\": " + spec.pre_tokenizer +
         ",\n  \"post_processor\": " + spec.post_processor + ",\n  \"decoder\": " + spec.decoder +
         ",\n  \"model\": " + model + "\n}\n";
}

std::string write_bpe_json(const BpeSpec& spec) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? std::string("null") : json_quoted(text);
  };
  char dropout[32] = "null";
  if (spec.dropout > 0) std::snprintf(dropout, sizeof(dropout), "%.9g", spec.dropout);
  std::string model = "{\n    \"type\": \"BPE\",\n    \"dropout\": ";
  model += dropout;
  model += ",\n    \"unk_token\": ";
  model += spec.unknown_id >= 0 ? json_quoted(spec.entries[spec.unknown_id])
                                : text_or_null(spec.missing_unknown);
  model += ",\n    \"continuing_subword_prefix\": " + text_or_null(spec.continuing_prefix);
  model += ",\n    \"end_of_word_suffix\": " + text_or_null(spec.end_of_word_suffix);
  const std::pair<const char*, bool> flags[] = {{"fuse_unk", spec.fuse_unknown},
                                                {"byte_fallback", spec.byte_fallback},
                                                {"ignore_merges", spec.ignore_merges}};
  for (const auto& [name, value] : flags) {
    model += std::string(",\n    \"") + name + "\": ";
    model += truth(value);
  }
  model += ",\n    \"vocab\": " + vocab_json(spec.entries) + ",\n    \"merges\": [";
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    model += rank > 0 ? ",\n      [" : "\n      [";
    append_json_quoted(spec.entries[left], model);
    model += ", ";
    append_json_quoted(spec.entries[right], model);
    model += ']';
  }
  return model + "\n    ]\n  }";
}

std::string write_tokenizer_json(const CharacterSpec& spec) {
  PipelineSpec file;
  file.pre_tokenizer = write_split_json(kAnyCharacterRegex);
  file.decoder = R"({"type": "Fuse"})";
  file.added_tokens = spec.added_tokens;
  return write_file_json(
      file, "{\n    \"type\": \"WordLevel\",\n    \"vocab\": " + vocab_json(spec.characters) +
                ",\n    \"unk_token\": " + json_quoted(spec.characters[spec.unknown_id]) + "\n  }");
}

std::string write_greedy_json(const std::vector<std::string>& tokens, std::string_view name_of_0) {
  std::vector<std::string> spellings;
  spellings.reserve(tokens.size());
  spellings.push_back(std::string(name_of_0) + ' ');
  for (size_t id = 1; id < tokens.size(); ++id) spellings.push_back(spell_bytes(tokens[id]));
  PipelineSpec file;
  file.pre_tokenizer = file.decoder =
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false})";
  return write_file_json(
      file, "{\n    \"type\": \"WordPiece\",\n    \"unk_token\": " + json_quoted(spellings[0]) +
                ",\n    \"continuing_subword_prefix\": \"\",\n    \"max_input_chars_per_word\": " +
                "4000000000,\n    \"vocab\": " + vocab_json(spellings) + "\n  }");
}

}  // namespace rmkv
