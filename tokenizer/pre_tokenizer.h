// Cutting a normalised text into words, step by step: each step cuts (or rewrites) the pieces of
// the one before.
//
// The names and rules are those of the "pre_tokenizer" member of Hugging Face's tokenizer.json.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/splitter.h"

namespace rmkv {

// Takes words in order, some at a time.
class WordSink {
 public:
  // The views are good during the call; bytes up to `readable_end` may be read behind each.
  virtual void take(std::span<const std::string_view> words, const char* readable_end) = 0;

 protected:
  ~WordSink() = default;
};

// Immutable and thread-safe.
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  // Gives the words of `text`, which is not empty, to `sink`.  `at_start`: it stands at the very
  // beginning of what is encoded.
  virtual void run(std::string_view text, bool at_start, WordSink& sink) const = 0;
};

using PreTokenizerStepPtr = std::unique_ptr<const PreTokenizerStep>;

class PreTokenizer {
 public:
  // Reads the member; null gives no steps.  What is not supported is refused by name.
  explicit PreTokenizer(const JsonNode& node);

  void run(std::string_view text, bool at_start, WordSink& sink) const;

  // A step behind all others.  A null pointer adds none.
  void add(PreTokenizerStepPtr step);

  // Whether the last step is the byte-level one: then words are bytes, otherwise text.
  bool byte_level() const { return byte_level_; }
  // Whether pieces cut by find_word_cut have the words of the whole.
  bool cuts_at_words() const { return cuts_at_words_; }
  // Whether the steps only cut: all words together are the text.
  bool only_cuts() const { return only_cuts_; }

 private:
  void read(const JsonNode& node);
  void read_byte_level(const JsonNode& node);

  std::vector<PreTokenizerStepPtr> steps_;
  bool byte_level_ = false, only_cuts_ = true, cuts_at_words_ = false;
};

// The first place from `from` on where every known split pattern ends a word, whatever stands
// before and behind: in front of a blank between two ASCII letters; the size of the text when there
// is none.  (Behind a newline is no such place: a run of white space gives its last character away
// only when something follows.)
size_t find_word_cut(std::string_view text, size_t from);

// Words as a splitter finds them.
PreTokenizerStepPtr make_split_step(SplitterPtr splitter);
// The same for one that somebody else keeps.
PreTokenizerStepPtr make_split_step(const Splitter* splitter);

}  // namespace rmkv
