// Counts of distinct words: the trainer's view of a text.
//
// Of 26 million words of English only about one in a hundred is new, so counting is the cheap way
// to hold a corpus.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/splitter.h"
#include "tokenizer/word_key.h"

namespace rmkv {

// Not thread-safe: one per thread, added up afterwards.
class WordCounter {
 public:
  WordCounter();

  // Splits `text` and counts its words.
  void add_text(const Splitter& splitter, std::string_view text);

  void add(const WordCounter& other);

  size_t size() const { return short_count_ + long_words_.size(); }  // distinct words

  // All words with their counts, sorted by bytes.
  std::vector<std::pair<std::string, uint64_t>> sorted() const;

 private:
  struct Slot {
    WordKey key;  // empty() for a free slot
    uint64_t count;
  };

  void add_short(const WordKey& key, uint64_t hash, uint64_t count);
  void grow();

  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t short_count_ = 0;
  int shift_;
  std::unordered_map<std::string, uint64_t> long_words_;  // over WordKey::kMaxBytes bytes
};

}  // namespace rmkv
