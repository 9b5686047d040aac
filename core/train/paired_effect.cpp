// The ratio estimator.
#include "core/train/paired_effect.h"

#include <cmath>
#include <limits>

namespace rmkv {

double student_quantile(int64_t freedom) {
  constexpr double kSmall[] = {12.7062, 4.3027, 3.1824, 2.7764};  // where the expansion fails
  if (freedom <= 4) return kSmall[freedom - 1];
  constexpr double z = 1.959963984540054;
  double n = static_cast<double>(freedom);
  double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

void PairedEffect::add(double difference, int64_t labels) {
  if (labels == 0) return;
  differences_.push_back(difference);
  labels_.push_back(labels);
}

MemoryEffect PairedEffect::result() const {
  MemoryEffect effect;
  effect.samples = static_cast<int64_t>(labels_.size());
  double total = 0.0;
  for (size_t i = 0; i < labels_.size(); ++i) {
    total += differences_[i];
    effect.labels += labels_[i];
  }
  if (effect.samples == 0) return effect;
  double count = static_cast<double>(effect.labels);
  effect.difference = total / count;
  double half = std::numeric_limits<double>::infinity();
  if (effect.samples > 1) {
    double squares = 0.0;
    for (size_t i = 0; i < labels_.size(); ++i) {
      double rest = differences_[i] - effect.difference * static_cast<double>(labels_[i]);
      squares += rest * rest;
    }
    double samples = static_cast<double>(effect.samples);
    half =
        student_quantile(effect.samples - 1) * std::sqrt(squares * samples / (samples - 1)) / count;
  }
  effect.low = effect.difference - half;
  effect.high = effect.difference + half;
  return effect;
}

}  // namespace rmkv
