// Writing a text as the longest keys it begins with, one behind the other: World's whole encoder.
//
// What is found from a place on depends on nothing before it, and two searches that meet at one
// place agree from there on, which takes them a few tokens.  So a text is searched from several
// places at once (in turns within a thread, where each hides the others' loads, and in several
// threads), and the pieces are joined where they meet: the keys are those of one search from the
// beginning.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"

namespace rmkv {

// Appends the values of the keys to `ids`.  Every byte is a key of the trie.
void match_greedily(const ByteTrie& trie, std::string_view text, int threads,
                    std::vector<int32_t>& ids);

}  // namespace rmkv
