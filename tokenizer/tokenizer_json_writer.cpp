// Writes tokenizer.json, in the order of keys that Hugging Face's library writes.
#include <algorithm>
#include <cstdio>

#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_json.h"

namespace rmkv {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escape[8];
          std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
          out += escape;
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

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
    out +=
        "\n    {\"id\": " + std::to_string(token->id) + ", \"content\": " + quoted(token->content);
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

std::string split_json(std::string_view regex) {
  return "{\"type\": \"Split\", \"pattern\": {\"Regex\": " + quoted(regex) +
         "}, \"behavior\": \"Isolated\", \"invert\": false}";
}

std::string pre_tokenizer_json(const BpeSpec& spec) {
  std::string byte_level = "{\"type\": \"ByteLevel\", \"add_prefix_space\": ";
  byte_level += truth(spec.add_prefix_space);
  byte_level += ", \"trim_offsets\": true, \"use_regex\": ";
  byte_level += truth(spec.byte_level_regex);
  byte_level += '}';
  if (spec.split_regexes.empty()) return byte_level;
  std::string out = "{\"type\": \"Sequence\", \"pretokenizers\": [";
  for (const std::string& regex : spec.split_regexes) out += "\n    " + split_json(regex) + ',';
  return out + "\n    " + byte_level + "]}";
}

std::string vocab_json(const std::vector<std::string>& tokens) {
  std::string out = "{";
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    out += out.size() > 1 ? ",\n      " : "\n      ";
    out += quoted(tokens[id]) + ": " + std::to_string(id);
  }
  return out + "\n    }";
}

std::string file_json(const std::vector<AddedToken>& added_tokens, const std::string& pre_tokenizer,
                      const std::string& decoder, const std::string& model) {
  return "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  "
         "\"added_tokens\": " +
         added_tokens_json(added_tokens) +
         ",\n  \"normalizer\": null,\n  \"pre_tokenizer\": " + pre_tokenizer +
         ",\n  \"post_processor\": null,\n  \"decoder\": " + decoder + ",\n  \"model\": " + model +
         "\n}\n";
}

}  // namespace

std::string write_tokenizer_json(const BpeSpec& spec) {
  std::string model = "{\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": ";
  model += spec.unknown_id >= 0 ? quoted(spec.spellings[spec.unknown_id]) : "null";
  model +=
      ",\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    "
      "\"fuse_unk\": ";
  model += truth(spec.fuse_unknown);
  model += ",\n    \"byte_fallback\": false,\n    \"ignore_merges\": ";
  model += truth(spec.ignore_merges);
  model += ",\n    \"vocab\": " + vocab_json(spec.spellings) + ",\n    \"merges\": [";
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    model += rank > 0 ? ",\n      [" : "\n      [";
    model += quoted(spec.spellings[left]) + ", " + quoted(spec.spellings[right]) + ']';
  }
  model += "\n    ]\n  }";
  return file_json(
      spec.added_tokens, pre_tokenizer_json(spec),
      R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})",
      model);
}

std::string write_tokenizer_json(const CharacterSpec& spec) {
  const std::string model =
      "{\n    \"type\": \"WordLevel\",\n    \"vocab\": " + vocab_json(spec.characters) +
      ",\n    \"unk_token\": " + quoted(spec.characters[spec.unknown_id]) + "\n  }";
  return file_json(spec.added_tokens, split_json(kAnyCharacterRegex), R"({"type": "Fuse"})", model);
}

std::string write_greedy_json(const std::vector<std::string>& tokens, std::string_view name_of_0) {
  std::vector<std::string> spellings;
  spellings.reserve(tokens.size());
  spellings.push_back(std::string(name_of_0) + ' ');
  for (size_t id = 1; id < tokens.size(); ++id) spellings.push_back(spell_bytes(tokens[id]));
  const std::string model =
      "{\n    \"type\": \"WordPiece\",\n    \"unk_token\": " + quoted(spellings[0]) +
      ",\n    \"continuing_subword_prefix\": \"\",\n    \"max_input_chars_per_word\": 4000000000" +
      ",\n    \"vocab\": " + vocab_json(spellings) + "\n  }";
  const std::string byte_level =
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false})";
  return file_json({}, byte_level, byte_level, model);
}

}  // namespace rmkv
