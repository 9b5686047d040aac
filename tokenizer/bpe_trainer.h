// Trains a BPE vocabulary (Sennrich, Haddow, Birch 2016): over bytes as in Radford et al. 2019, or
// hybrid, over the common characters with bytes for the others.
//
// The merges are those of Hugging Face's BpeTrainer on the same documents, ties included: highest
// count first, then the smallest (left id, right id); overlapping pairs count ("aaa" holds "aa"
// twice).  Counts have 64 bits. The result does not depend on the number of threads nor on how
// documents are grouped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

enum class BpeTieRule {
  kSmallestIds,    // Hugging Face and rustbpe
  kGreatestBytes,  // the reference of Stanford CS336: the lexicographically greatest pair of byte
                   // strings
};

enum class BpeAlphabet {
  kBytes,       // every byte is a symbol, every text can be written
  kCharacters,  // the common characters are symbols; others fall back to their bytes, never merged
};

struct BpeTrainerOptions {
  // special tokens + 256 bytes + characters + merges; fewer when the pairs run out
  int64_t vocab_size = 8192;
  int64_t min_frequency = 2;  // a pair seen less often is not merged
  SplitPattern pattern = SplitPattern::kLlama3;
  BpeTieRule tie_rule = BpeTieRule::kSmallestIds;
  // The first ids, in this order.
  std::vector<std::string> special_tokens{std::begin(kSpecialTokens), std::end(kSpecialTokens)};
  int threads = 1;  // for counting; the merges themselves are serial
  BpeAlphabet alphabet = BpeAlphabet::kBytes;
  // Of the characters: so much of the text, the most frequent first, and no more than so many.
  double coverage = 0.9995;
  int64_t max_characters = 4096;
  // Shares of the vocabulary by source (add_document): the counts of each are scaled so that its
  // bytes weigh as much as its share.  Empty: every byte weighs the same.
  std::vector<double> shares = {};
};

class BpeTrainer {
 public:
  explicit BpeTrainer(BpeTrainerOptions options);
  ~BpeTrainer();

  // Counts the words of one document.  Words never span two documents.  `source`: an index into
  // the shares, where there are any.
  void add_document(std::string_view text, size_t source = 0);

  // Finds the merges of everything added so far.  Documents may be added afterwards and train
  // called again.
  TokenizerPtr train();

  uint64_t bytes() const;      // added so far
  uint64_t documents() const;  // added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rmkv
