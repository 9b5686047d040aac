// Places where a text can be cut without changing its BPE: between two characters that stand side
// by side in no token, no merge ever joins what is left and right.
//
// Llama-2's whole text is one word; cut before every blank it becomes many short ones, most of them
// known from before.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/bpe_spec.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/splitter.h"

namespace rmkv {

// For a model over characters without affixes; nullptr when its merges go beyond text.
SplitterPtr make_merge_cuts(const BpeSpec& spec, const MergeTable& merges);

// For a model over bytes: the same between two bytes.  A token over the cut would hold the two
// bytes before it and the one behind, or begin with the one before it.
SplitterPtr make_byte_cuts(const std::vector<std::string_view>& words, const MergeTable& merges);

}  // namespace rmkv
