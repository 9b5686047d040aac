// The two parts that all BPE files share: a vocabulary (text -> id) and a list of merges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe_spec.h"
#include "tokenizer/json_node.h"
#include "tokenizer/text_ids.h"

namespace rmkv {

// Reads an object of text -> id; `strings` becomes the texts by id, empty where an id is unused.
// The result has views into the JSON text.
TextIds read_vocab(const JsonNode& node, std::vector<std::string>& strings);

// Appends the merges of a JSON array to the spec.
void read_merges(const JsonNode& node, const TextIds& id_of, BpeSpec& spec);

// The same from the lines of a merges.txt; `name` (the file's) opens messages.
void read_merge_lines(std::string_view text, const std::string& name, const TextIds& id_of,
                      BpeSpec& spec);

}  // namespace rmkv
