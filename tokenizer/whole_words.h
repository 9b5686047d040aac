// The words that are one token: a read-only table from a word's bytes to its id, made when a
// tokenizer is loaded.
//
// More than half of the different words of a text are such, and looking one up is several times as
// fast as merging its bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/huge_pages.h"
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

  // `word` has 1 to WordKey::kMaxBytes bytes.  Of two ids of one word the first counts.
  void insert(std::string_view word, int32_t id);

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash >> shift_]); }

  // The id of the word, or -1.
  int32_t find(const WordKey& key, uint64_t hash) const {
    for (size_t at = hash >> shift_;; at = (at + 1) & mask_) {
      const Bucket& bucket = buckets_[at];
      int32_t id = -1;
      for (int i = 0; i < kBucketWords; ++i) id = bucket.keys[i] == key ? bucket.ids[i] : id;
      if (id >= 0 || bucket.keys[kBucketWords - 1].empty()) return id;
    }
  }

 private:
  static constexpr int kBucketWords = 3;

  // One cache line, filled from the front; what finds no room goes to the next one.
  struct alignas(64) Bucket {
    WordKey keys[kBucketWords] = {};
    int32_t ids[kBucketWords] = {};
  };

  std::unique_ptr<Bucket[], FreePages> buckets_;
  size_t mask_;
  int shift_;
};

}  // namespace rmkv
