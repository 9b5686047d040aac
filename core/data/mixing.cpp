// Largest deficit, in integers.
#include "core/data/mixing.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace rmkv {

namespace {

constexpr double kUnits = 1e6;  // weights are kept as whole millionths of their sum

}  // namespace

Mixer::Mixer(const std::vector<double>& weights)
    : served_tokens_(weights.size(), 0), owed_(weights.size(), 0) {
  take_weights(weights);
}

void Mixer::take_weights(const std::vector<double>& weights) {
  if (weights.empty()) fail("mixing", "no sources", "at least one");
  double sum = 0;
  bool whole = true;
  for (double weight : weights) {
    if (!(weight > 0) || !std::isfinite(weight)) {
      fail("mixing: weight", std::to_string(weight), "a positive number");
    }
    sum += weight;
    whole = whole && weight == std::floor(weight) && weight <= kUnits;
  }
  if (!std::isfinite(sum)) fail("mixing", "weights of infinite sum", "a finite sum");
  weights_.clear();
  total_weight_ = 0;
  for (double weight : weights) {
    // Whole weights such as 5:1:1 are kept exactly.
    double units = whole ? weight : std::round(weight / sum * kUnits);
    weights_.push_back(std::max<int64_t>(1, static_cast<int64_t>(units)));
    total_weight_ += weights_.back();
  }
}

void Mixer::set_weights(const std::vector<double>& weights) {
  RMKV_ASSERT(weights.size() == weights_.size());
  std::vector<int64_t> before = weights_;
  int64_t old_total = total_weight_;
  take_weights(weights);
  if (before == weights_) return;
  for (Wide& owed : owed_) owed = owed * total_weight_ / old_total;
}

size_t Mixer::choose(const std::vector<int64_t>& lanes_held, int64_t horizon_tokens,
                     const std::vector<bool>& usable) const {
  auto held = [&](size_t i) {
    return static_cast<Wide>(lanes_held.empty() ? 0 : lanes_held[i]) * horizon_tokens;
  };
  Wide ahead = horizon_tokens;  // of the lane that asks
  for (size_t i = 0; i < weights_.size(); ++i) ahead += held(i);
  size_t best = weights_.size();
  Wide best_deficit = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (!usable.empty() && !usable[i]) continue;
    Wide deficit = owed_[i] + weights_[i] * ahead - held(i) * total_weight_;
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
  for (size_t i = 0; i < weights_.size(); ++i) owed_[i] += static_cast<Wide>(tokens) * weights_[i];
  owed_[source] -= static_cast<Wide>(tokens) * total_weight_;
}

void Mixer::restore(const std::vector<int64_t>& served_tokens) {
  RMKV_ASSERT(served_tokens.size() == weights_.size());
  served_tokens_.assign(weights_.size(), 0);
  owed_.assign(weights_.size(), 0);
  for (size_t i = 0; i < served_tokens.size(); ++i) add(i, served_tokens[i]);
}

Mixer::State Mixer::state() const {
  State state{weights_, served_tokens_, {}};
  for (Wide owed : owed_) state.owed.push_back(static_cast<int64_t>(owed));
  return state;
}

void Mixer::set_state(const State& state) {
  RMKV_ASSERT(state.weights.size() == weights_.size());
  weights_ = state.weights;
  served_tokens_ = state.served_tokens;
  owed_.assign(state.owed.begin(), state.owed.end());
  total_weight_ = 0;
  for (int64_t weight : weights_) total_weight_ += weight;
}

double Mixer::share(size_t source) const {
  return static_cast<double>(weights_[source]) / static_cast<double>(total_weight_);
}

}  // namespace rmkv
