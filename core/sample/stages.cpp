// The arithmetic of the sampler stages, in double over fp32 logits.
#include "core/sample/stages.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace rmkv {

namespace {

// Longer repeats count as this long: the penalty is far past every logit by then, and must not
// overflow.
constexpr int64_t kLongestRepeat = 64;
constexpr double kLowest = -1e30;

}  // namespace

void apply_temperature(Candidates& candidates, double temperature) {
  RMKV_ASSERT(temperature > 0);
  // Relative to the best: a tiny temperature must not overflow.
  float highest = candidates.best().logit;
  for (Candidate& item : candidates.items()) {
    item.logit = static_cast<float>((item.logit - highest) / temperature);
  }
}

void apply_top_k(Candidates& candidates, int64_t k) {
  candidates.keep_count(k);
}

void apply_top_p(Candidates& candidates, double p) {
  Candidates::Weights weights = candidates.weights();
  std::vector<double>& keys = candidates.scratch();
  keys.clear();
  for (const Candidate& item : candidates.items()) keys.push_back(-double{item.logit});
  candidates.keep_mass(keys, weights.each, p * weights.sum);
}

void apply_min_p(Candidates& candidates, double share) {
  if (share > 0) candidates.keep_above(candidates.best().logit + std::log(share));
}

void apply_typical(Candidates& candidates, double p) {
  Candidates::Weights weights = candidates.weights();
  const double highest = candidates.best().logit, log_sum = std::log(weights.sum);
  // entropy = sum of p * surprise, surprise = log_sum - (logit - highest)
  double entropy = 0;
  std::vector<double>& keys = candidates.scratch();
  keys.clear();
  for (size_t i = 0; i < weights.each.size(); ++i) {
    double surprise = log_sum - (candidates.items()[i].logit - highest);
    entropy += weights.each[i] / weights.sum * surprise;
    keys.push_back(surprise);
  }
  for (double& key : keys) key = std::abs(key - entropy);
  candidates.keep_mass(keys, weights.each, p * weights.sum);
}

void apply_top_n_sigma(Candidates& candidates, double n) {
  double sum = 0, squares = 0;
  const double highest = candidates.best().logit;
  for (const Candidate& item : candidates.items()) {
    double x = item.logit - highest;  // shifted, so that the difference of squares keeps its digits
    sum += x;
    squares += x * x;
  }
  double count = static_cast<double>(candidates.items().size());
  double deviation = std::sqrt(std::max(0.0, squares / count - (sum / count) * (sum / count)));
  candidates.keep_above(highest - n * deviation);
}

void apply_xtc(Candidates& candidates, double threshold) {
  Candidates::Weights weights = candidates.weights();
  const double limit = threshold * weights.sum;
  std::vector<Candidate>& items = candidates.items();
  size_t above = 0;
  const Candidate* least = nullptr;
  for (size_t i = 0; i < items.size(); ++i) {
    if (weights.each[i] < limit) continue;
    ++above;
    if (!least || more_likely(*least, items[i])) least = &items[i];
  }
  if (above < 2) return;
  const int32_t stays = least->id;
  size_t write = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (weights.each[i] < limit || items[i].id == stays) items[write++] = items[i];
  }
  items.resize(write);
}

void apply_penalties(Candidates& candidates, const Penalties& penalties,
                     std::span<const int32_t> seen, std::vector<int32_t>& scratch) {
  scratch.assign(seen.begin(), seen.end());
  std::sort(scratch.begin(), scratch.end());
  for (size_t i = 0; i < scratch.size();) {
    size_t end = i;
    while (end < scratch.size() && scratch[end] == scratch[i]) ++end;
    if (Candidate* item = candidates.find(scratch[i])) {
      double x = item->logit;
      x = x > 0 ? x / penalties.repetition : x * penalties.repetition;
      x -= penalties.presence + penalties.frequency * static_cast<double>(end - i);
      item->logit = static_cast<float>(x);
    }
    i = end;
  }
}

void apply_dry(Candidates& candidates, const DryOptions& options, std::span<const int32_t> text,
               std::vector<int64_t>& scratch) {
  const int64_t count = static_cast<int64_t>(text.size());
  if (count < 2) return;
  auto reversed = [&](int64_t i) { return text[static_cast<size_t>(count - 1 - i)]; };
  // Z-function of the reversed text: at i, how long a suffix of the text ends i tokens before its
  // end.
  scratch.assign(static_cast<size_t>(count), 0);
  int64_t left = 0, right = 0;
  for (int64_t i = 1; i < count; ++i) {
    int64_t length = i < right ? std::min(right - i, scratch[static_cast<size_t>(i - left)]) : 0;
    while (i + length < count && reversed(length) == reversed(i + length)) ++length;
    if (i + length > right) left = i, right = i + length;
    scratch[static_cast<size_t>(i)] = length;
  }
  // Each becomes (token that followed it, length) in one number; sorted, the last of a token is its
  // longest repeat.
  for (int64_t i = 1; i < count; ++i) {
    int64_t length = std::min(scratch[static_cast<size_t>(i)], kLongestRepeat);
    scratch[static_cast<size_t>(i)] = int64_t{reversed(i - 1)} << 32 | length;
  }
  std::sort(scratch.begin() + 1, scratch.end());
  for (size_t i = 1; i < scratch.size(); ++i) {
    const int64_t token = scratch[i] >> 32, length = scratch[i] & UINT32_MAX;
    if (i + 1 < scratch.size() && scratch[i + 1] >> 32 == token) continue;
    if (length < options.allowed_length) continue;
    if (Candidate* item = candidates.find(static_cast<int32_t>(token))) {
      double excess = static_cast<double>(length - options.allowed_length);
      double loss = options.multiplier * std::pow(options.base, excess);
      item->logit = static_cast<float>(std::max(item->logit - loss, kLowest));
    }
  }
}

int32_t draw(Candidates& candidates, double u) {
  Candidates::Weights weights = candidates.weights();
  double target = u * weights.sum;
  const std::vector<Candidate>& items = candidates.items();
  double sum = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    sum += weights.each[i];
    if (target < sum) return items[i].id;
  }
  // Rounding left the target at the very end: the last token that has any weight.
  for (size_t i = items.size(); i-- > 0;) {
    if (weights.each[i] > 0) return items[i].id;
  }
  return candidates.best().id;
}

}  // namespace rmkv
