// Which source a free lane reads next: exact weighted shares of tokens.
//
// Largest deficit, in integers: the source that lags most behind its share of all tokens served so
// far.  A lane that has begun a long document keeps its source for long, so every lane counts for
// `horizon` tokens more of the source that it reads: shares of lanes are balanced at once, shares
// of tokens in the long run.  With the horizon at the mean length of the source with the longest
// documents, simulated mixes of documents of 150 to 250,000 tokens stayed within one longest
// document of their shares at every prefix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rmkv {

class Mixer {
 public:
  // Positive weights, one per source: whole numbers are kept exactly, others as millionths of their
  // sum (at least one).
  explicit Mixer(const std::vector<double>& weights);

  // The source with the largest deficit; ties go to the larger weight, then to the smaller index.
  // `lanes_held`: how many other lanes read each source (empty: none); `horizon_tokens`: see above.
  // Sources marked false in `usable` (empty: all may be used) are passed over; one must be left.
  size_t choose(const std::vector<int64_t>& lanes_held = {}, int64_t horizon_tokens = 0,
                const std::vector<bool>& usable = {}) const;
  // Counts what was served from `source`: tokens, or whatever the shares are of.
  void add(size_t source, int64_t tokens);
  // Other weights from here on: what was served before stays settled by the old ones.
  void set_weights(const std::vector<double>& weights);

  const std::vector<int64_t>& served_tokens() const { return served_tokens_; }
  // As if all had been served under the present weights.
  void restore(const std::vector<int64_t>& served_tokens);

  // All that decides choices: whole weights, and what each source is owed in tokens times the sum
  // of the weights.
  struct State {
    std::vector<int64_t> weights, served_tokens, owed;
  };
  State state() const;
  void set_state(const State& state);
  // Share that source aims at, in [0, 1].
  double share(size_t source) const;

 private:
  using Wide = __int128;  // tokens x weights outgrow 64 bits
  void take_weights(const std::vector<double>& weights);

  std::vector<int64_t> weights_;
  std::vector<int64_t> served_tokens_;
  std::vector<Wide> owed_;  // share of all served tokens minus own, times total_weight_
  int64_t total_weight_ = 0;
};

}  // namespace rmkv
