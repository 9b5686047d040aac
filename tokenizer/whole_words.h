// The words that are one token: a read-only table from a word's bytes to its id, made when a
// tokenizer is loaded.
//
// More than half of the different words of a text are such, and looking one up is several times as
// fast as merging its bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/word_key.h"

namespace rmkv {

// For every id, whether merging the token's own bytes gives the token back.  True for certain;
// false may mean that it was not worth finding out (a vocabulary whose merges are not in order, as
// no trainer makes it). `byte_ids`: the ids of single bytes.
std::vector<bool> find_whole_tokens(const MergeTable& merges, std::span<const int32_t> byte_ids,
                                    size_t vocab_size);

class WholeWords {
 public:
  // `capacity`: how many words will be inserted at most.
  explicit WholeWords(size_t capacity);

  // `word` has 1 to WordKey::kMaxBytes bytes.
  void insert(std::string_view word, int32_t id);

  // The id of the word, or -1.
  int32_t find(const WordKey& key, uint64_t hash) const {
    for (size_t i = hash >> shift_;; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].id;
      if (slots_[i].key.empty()) return -1;
    }
  }

 private:
  struct Slot {
    WordKey key{0, 0};
    int32_t id = -1;
  };

  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t mask_;
  int shift_;
};

}  // namespace rmkv
