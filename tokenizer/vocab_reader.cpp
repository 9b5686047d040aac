// Vocabulary and merges, out of JSON and out of text.
#include "tokenizer/vocab_reader.h"

#include <algorithm>

#include "core/base/error.h"
#include "tokenizer/merge_table.h"

namespace rmkv {
namespace {

using Sides = std::pair<std::string_view, std::string_view>;

Sides split_merge_line(std::string_view line, const std::string& where) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos || line.find(' ', blank + 1) != std::string_view::npos) {
    fail(where, "'" + std::string(line) + "'", "two tokens with one blank between them");
  }
  return {line.substr(0, blank), line.substr(blank + 1)};
}

// ["left", "right"], or "left right" as older files have it.
Sides read_merge(const JsonNode& node) {
  if (node.value.is_string()) return split_merge_line(node.as_string(), node.where);
  const simdjson::dom::array sides = node.as_array();
  if (sides.size() != 2) fail(node.where, std::to_string(sides.size()) + " elements", "two tokens");
  Sides merge;
  auto side = sides.begin();
  if ((*side).get(merge.first) != simdjson::SUCCESS) JsonNode{*side, node.where}.as_string();
  ++side;
  if ((*side).get(merge.second) != simdjson::SUCCESS) JsonNode{*side, node.where}.as_string();
  return merge;
}

void add_merge(const Sides& sides, const TextIds& id_of, const std::string& where, BpeSpec& spec) {
  int32_t ids[2];
  for (int i = 0; i < 2; ++i) {
    const std::string_view side = i == 0 ? sides.first : sides.second;
    ids[i] = id_of.find(side);
    if (ids[i] < 0) fail(where, "'" + std::string(side) + "'", "a token of the vocabulary");
  }
  spec.merges.emplace_back(ids[0], ids[1]);
}

bool is_comment(std::string_view line) {
  return line.substr(0, 8) == "#version";
}

}  // namespace

TextIds read_vocab(const JsonNode& node, std::vector<std::string>& strings) {
  TextIds id_of(node.as_object().size());
  int32_t greatest = -1;
  for (const auto member : node.as_object()) {
    if (member.key.empty()) fail(node.where, "an empty token", "at least one character");
    uint64_t id = 0;
    if (member.value.get(id) != simdjson::SUCCESS ||
        id > static_cast<uint64_t>(MergeTable::kMaxId)) {
      JsonNode{member.value, node.where + "['" + std::string(member.key) + "']"}.as_id();
    }
    id_of.assign(member.key, static_cast<int32_t>(id));
    greatest = std::max(greatest, static_cast<int32_t>(id));
  }
  strings.resize(static_cast<size_t>(greatest) + 1);
  for (const auto& [text, id] : id_of.entries()) {
    if (!strings[id].empty()) {
      fail(
          node.where,
          "id " + std::to_string(id) + " for '" + strings[id] + "' and '" + std::string(text) + "'",
          "one token for each id");
    }
    strings[id] = text;
  }
  return id_of;
}

void read_merges(const JsonNode& node, const TextIds& id_of, BpeSpec& spec) {
  const simdjson::dom::array list = node.as_array();
  spec.merges.reserve(list.size());
  size_t index = 0;
  JsonNode merge{node};
  for (const simdjson::dom::element value : list) {
    merge.value = value;
    try {
      if (!value.is_string() || !is_comment(merge.as_string())) {
        add_merge(read_merge(merge), id_of, node.where, spec);
      }
    } catch (const Error& error) {
      fail_because("merge " + std::to_string(index), error.what());
    }
    ++index;
  }
}

void read_merge_lines(std::string_view text, const std::string& name, const TextIds& id_of,
                      BpeSpec& spec) {
  size_t number = 0;
  while (!text.empty()) {
    const size_t size = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || is_comment(line)) continue;
    const std::string where = name + ":" + std::to_string(number);
    add_merge(split_merge_line(line, where), id_of, where, spec);
  }
}

}  // namespace rmkv
