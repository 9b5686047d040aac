// Which source the next document comes from: exact weighted shares of tokens.
//
// Largest deficit: of all sources the one that lags most behind its share of the tokens served so
// far (integers, no rounding).  Equal documents at 5:1:1 give a fixed cycle of seven; at any moment
// a source is off its share by no more than the documents being read.
#pragma once

#include <cstdint>
#include <vector>

namespace rmkv {

class Mixer {
 public:
  // Positive weights, one per source: whole numbers are kept exactly, others as millionths of their
  // sum (at least one).
  explicit Mixer(const std::vector<double>& weights);

  // The source with the largest deficit; ties go to the larger weight, then to the smaller index.
  // Sources marked false in `usable` (empty: all may be used) are passed over; one must be left.
  size_t choose(const std::vector<bool>& usable = {}) const;
  // Counts tokens served from `source`.
  void add(size_t source, int64_t tokens);

  const std::vector<int64_t>& served_tokens() const { return served_tokens_; }
  void restore(const std::vector<int64_t>& served_tokens);
  // Share that source aims at, in [0, 1].
  double share(size_t source) const;

 private:
  std::vector<int64_t> weights_;
  std::vector<int64_t> served_tokens_;
  int64_t total_weight_ = 0;
  int64_t total_tokens_ = 0;
};

}  // namespace rmkv
