// The single steps of pre-tokenizers.
#pragma once

#include "tokenizer/matcher.h"
#include "tokenizer/pre_tokenizer.h"

namespace rmkv {

// What becomes of the matches of a pattern, by Hugging Face's names.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

SplitBehavior read_split_behavior(const JsonNode& node);

// `invert`: what lies between matches counts as the matches.
PreTokenizerStepPtr make_match_step(MatcherPtr matcher, SplitBehavior behavior, bool invert);

// A blank in front of a text that does not begin with one.
PreTokenizerStepPtr make_prefix_space_step();

// The spelling of bytes (byte_level.h), where further steps follow.
PreTokenizerStepPtr make_spelling_step();

// Pieces of `length` characters.
PreTokenizerStepPtr make_fixed_length_step(int64_t length);

enum class PrependScheme { kAlways, kFirst, kNever };

// SentencePiece's mark for blanks: blanks become `mark`, one more may come in front, and `split`
// cuts before each.
PreTokenizerStepPtr make_metaspace_step(std::string mark, PrependScheme scheme, bool split);

}  // namespace rmkv
