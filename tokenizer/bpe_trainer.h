// Trains a byte-level BPE vocabulary (Sennrich, Haddow, Birch 2016; bytes as in Radford et al.
// 2019).
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

struct BpeTrainerOptions {
  int64_t vocab_size = 8192;  // special tokens + 256 bytes + merges; fewer when the pairs run out
  int64_t min_frequency = 2;  // a pair seen less often is not merged
  SplitPattern pattern = SplitPattern::kLlama3;
  BpeTieRule tie_rule = BpeTieRule::kSmallestIds;
  // The first ids, in this order.
  std::vector<std::string> special_tokens{std::begin(kSpecialTokens), std::end(kSpecialTokens)};
  int threads = 1;  // for counting; the merges themselves are serial
};

class BpeTrainer {
 public:
  explicit BpeTrainer(BpeTrainerOptions options);
  ~BpeTrainer();

  // Counts the words of one document.  Words never span two documents.
  void add_document(std::string_view text);

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
