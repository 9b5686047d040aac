// The words and lines of a text, as quality filters count them.
//
// A word is a run of characters that are not White_Space; its core is what lies between its first
// and its last letter, number or mark, so that "(the," counts as "the".  datatrove uses a
// language's own word tokenizer instead, which also parts "don't"; for scripts without blanks
// neither the published thresholds nor these words mean much.  Characters are code points; an
// invalid byte is one.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace rmkv {

struct TextWord {
  std::string_view whole;
  std::string_view core;         // empty: punctuation and symbols alone
  uint32_t characters = 0;       // of the whole
  uint32_t core_characters = 0;  //
  bool has_letter = false;
};

// Finds words and lines when they are first asked for.  The text outlives it.  One thread.
class TextScan {
 public:
  explicit TextScan(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }
  const std::vector<TextWord>& words();
  // Divided by "\n", without "\r" before it; a line end at the end of the text begins no line.
  const std::vector<std::string_view>& lines();
  uint64_t characters();

 private:
  std::string_view text_;
  std::vector<TextWord> words_;
  std::vector<std::string_view> lines_;
  uint64_t characters_ = 0;
  bool has_words_ = false, has_lines_ = false, has_characters_ = false;
};

// Code points of a piece of UTF-8; a stray byte counts as one where it is no continuation.
uint64_t count_characters(std::string_view text);
// Without ASCII blanks at both ends.
std::string_view trimmed(std::string_view text);

// Tells whether a number was seen before; made to be cleared often.  The numbers are hashes: for
// texts of a document, equal hashes are taken for equal texts (a chance of 2^-64 a pair).
class SeenHashes {
 public:
  // Forgets all and makes room for so many.
  void begin(size_t most);
  // Counts one more; returns how often it was there before.
  uint32_t add(uint64_t hash);
  uint32_t count(uint64_t hash) const;

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t round = 0;  // slots of older rounds are empty
    uint32_t count = 0;
  };
  const Slot& find(uint64_t hash) const;

  std::vector<Slot> slots_;
  uint64_t mask_ = 0;
  uint32_t round_ = 0;
};

}  // namespace rmkv
