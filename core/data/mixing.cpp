// Largest deficit, in integers.
#include "core/data/mixing.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace rmkv {

namespace {

constexpr double kUnits = 1e6;  // weights are kept as whole millionths of their sum

}  // namespace

Mixer::Mixer(const std::vector<double>& weights) : served_tokens_(weights.size(), 0) {
  if (weights.empty()) fail("mixing", "no sources", "at least one");
  double sum = 0, smallest = 0;
  bool whole = true;
  for (double weight : weights) {
    if (!(weight > 0) || !std::isfinite(weight)) {
      fail("mixing: weight", std::to_string(weight), "a positive number");
    }
    sum += weight;
    smallest = smallest == 0 ? weight : std::min(smallest, weight);
    whole = whole && weight == std::floor(weight) && weight <= kUnits;
  }
  if (!std::isfinite(sum)) fail("mixing", "weights of infinite sum", "a finite sum");
  for (double weight : weights) {
    // Whole weights such as 5:1:1 are kept exactly.
    double units = whole ? weight : std::round(weight / sum * kUnits);
    weights_.push_back(std::max<int64_t>(1, static_cast<int64_t>(units)));
    total_weight_ += weights_.back();
  }
}

size_t Mixer::choose(const std::vector<int64_t>& lanes_held, int64_t horizon_tokens,
                     const std::vector<bool>& usable) const {
  using Wide = __int128;  // tokens x weights outgrow 64 bits
  auto ahead = [&](size_t i) {
    int64_t held = lanes_held.empty() ? 0 : lanes_held[i];
    return static_cast<Wide>(served_tokens_[i]) + static_cast<Wide>(held) * horizon_tokens;
  };
  Wide all_ahead = horizon_tokens;  // of the lane that asks
  for (size_t i = 0; i < weights_.size(); ++i) all_ahead += ahead(i);
  size_t best = weights_.size();
  Wide best_deficit = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (!usable.empty() && !usable[i]) continue;
    Wide deficit = weights_[i] * all_ahead - ahead(i) * total_weight_;
    if (best == weights_.size() || deficit > best_deficit ||
        (deficit == best_deficit && weights_[i] > weights_[best])) {
      best = i;
      best_deficit = deficit;
    }
  }
  RMKV_ASSERT(best < weights_.size());
  return best;
}

void Mixer::add(size_t source, int64_t tokens) {
  served_tokens_[source] += tokens;
}

void Mixer::restore(const std::vector<int64_t>& served_tokens) {
  RMKV_ASSERT(served_tokens.size() == weights_.size());
  served_tokens_ = served_tokens;
}

double Mixer::share(size_t source) const {
  return static_cast<double>(weights_[source]) / static_cast<double>(total_weight_);
}

}  // namespace rmkv
