// The tokens still in the race while a chain of sampler stages runs, and their selection without a
// full sort.
//
// Not here: the rules that remove them (stages.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rmkv {

struct Candidate {
  float logit;  // fp32, as the model gave it or reshaped by a stage
  int32_t id;
};

// More probable first, the smaller id first among equals: the one order that every stage uses.
inline bool more_likely(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// `items` always stand in ascending order of ids, so that a draw does not depend on how stages
// select. Buffers are kept between tokens: after the first token nothing is allocated.
class Candidates {
 public:
  // Takes logits fp32 [V]; -inf is a banned token and is left out.  NaN and +inf throw, as does an
  // empty field.
  void assign(std::span<const float> logits);

  std::vector<Candidate>& items() { return items_; }
  const std::vector<Candidate>& items() const { return items_; }
  // The entry of `id`, or nullptr.
  Candidate* find(int32_t id);

  const Candidate& best() const;  // by more_likely

  // Weights exp(logit - best) of all items, in item order, and their sum.
  struct Weights {
    std::span<const double> each;
    double sum;
  };
  Weights weights();

  // The key of an item for selection: smaller comes first, ties by id.
  struct Ranked {
    double key;
    double mass;
    int32_t id;
  };
  // Keeps the first items by (key, id), `keys[i]` belonging to item i: as many as needed for their
  // `masses` to reach `enough` (at least one).  Cost O(n) when few are kept: the front is found by
  // partial selection.
  void keep_mass(std::span<const double> keys, std::span<const double> masses, double enough);
  // Keeps the `count` most likely.
  void keep_count(int64_t count);
  // Keeps items whose logit is at least `lowest`; the best one always stays.
  void keep_above(double lowest);

  // Room for one number per item, for stages that rank by something else than the logit.
  std::vector<double>& scratch() { return scratch_; }

 private:
  std::vector<Candidate> items_;
  std::vector<Candidate> selected_;
  std::vector<Ranked> ranked_;
  std::vector<double> weights_, scratch_;
};

}  // namespace rmkv
