// Splitting text into words before BPE ("pre-tokenisation"): merges never cross a word's edge.
//
// The usual patterns run as hand-written machines (split_machine.cpp); any other pattern runs in
// PCRE2's JIT (regex_splitter.cpp), which is also the reference that the machines are tested
// against.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace rmkv {

class Matcher;

enum class SplitPattern {
  kGpt2,    // GPT-2, r50k
  kLlama3,  // GPT-4's cl100k and Llama-3: numbers of up to three digits
  kQwen2,   // the same with single digits
  kO200k,   // GPT-4o: words begin at capital letters and carry their contractions
};

// "gpt2", "llama3" (also "cl100k", "gpt4"), "qwen2", "o200k".  Throws on another name.
SplitPattern parse_split_pattern(std::string_view name);
std::string_view split_pattern_name(SplitPattern pattern);
// The regular expression as it is written in tokenizer.json files.
std::string_view split_pattern_regex(SplitPattern pattern);

// Immutable and thread-safe.
class Splitter {
 public:
  virtual ~Splitter() = default;

  // Writes the words of `text` that start at offset `begin` to `words`, in order and without gaps,
  // until the text ends or `words` is full; returns how many.  `begin` must be 0 or the end of a
  // word found before.
  virtual size_t split(std::string_view text, size_t begin,
                       std::span<std::string_view> words) const = 0;
};

using SplitterPtr = std::unique_ptr<const Splitter>;

SplitterPtr make_splitter(SplitPattern pattern);

// Whether `regex` is one of the known patterns, letter for letter, so that a machine serves it.
bool is_known_split_regex(std::string_view regex);

// The machine where `regex` is one of the known patterns, letter for letter, otherwise
// make_regex_splitter.
SplitterPtr make_splitter_of_regex(std::string_view regex, const std::string& where);

// Every match of `regex` is a word, and so is every stretch between two matches.  Throws when the
// expression does not compile; `where` opens the message.
SplitterPtr make_regex_splitter(std::string_view regex, const std::string& where);
// The same for any matcher.
SplitterPtr make_matcher_splitter(std::unique_ptr<const Matcher> matcher);

}  // namespace rmkv
