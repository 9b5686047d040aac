// What turns one word into tokens: BPE, Unigram, WordPiece, whole words.
//
// The second half of every tokenizer but World; the first cuts a text into words (pre_tokenizer.h).
// Immutable and thread-safe; a thread's working memory is a WordScratch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "tokenizer/splitter.h"
#include "tokenizer/whole_words.h"
#include "tokenizer/word_merger.h"

namespace rmkv {

// Chance for BPE dropout (Provilkov, Emelianenko, Voita 2020): every merge is passed over with
// this probability each time it is the next one.
struct MergeDropout {
  double share;
  RandomStream random;
};

struct WordScratch {
  MergeScratch merge;               // merge.ids: the tokens of the word
  MergeDropout* dropout = nullptr;  // when set, words differ from time to time

  // For Unigram: the best path to each byte of the word.
  struct Node {
    double score;
    int32_t id;
    uint32_t begin;
  };
  std::vector<Node> nodes;
};

class WordModel {
 public:
  virtual ~WordModel() = default;

  // "bpe", "unigram", "wordpiece", "words".
  virtual std::string kind() const = 0;

  // The entries by id as they are written in files; an empty string is an unused id.
  virtual const std::vector<std::string>& entries() const = 0;

  // Leaves the tokens of the word, which is not empty, in scratch.merge.ids.
  virtual void encode_word(std::string_view word, WordScratch& scratch) const = 0;

  // Short words known to be one token; nullptr when there is no such table.
  virtual const WholeWords* whole_words() const { return nullptr; }

  // Cuts that never change the tokens of a text; nullptr when none are known.
  virtual const Splitter* cuts() const { return nullptr; }

  // The same for words too long for the cache; nullptr when none are known.
  virtual const Splitter* long_word_cuts() const { return nullptr; }

  // The dropout that the file asks for.
  virtual double dropout() const { return 0; }

  // For a model without merges that has a token for each byte: those [256]; otherwise nullptr.
  virtual const int32_t* byte_ids() const { return nullptr; }

  // The member "model" of a tokenizer.json.
  virtual std::string to_json() const = 0;
};

using WordModelPtr = std::unique_ptr<const WordModel>;

}  // namespace rmkv
