// Places where a text can be cut without changing its BPE: between two characters that stand side
// by side in no token, no merge ever joins what is left and right.
//
// Llama-2's whole text is one word; cut before every blank it becomes many short ones, most of them
// known from before.
#pragma once

#include "tokenizer/bpe_spec.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/splitter.h"

namespace rmkv {

// For a model over characters without affixes; nullptr when its merges go beyond text.
SplitterPtr make_merge_cuts(const BpeSpec& spec, const MergeTable& merges);

}  // namespace rmkv
