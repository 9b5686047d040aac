// A mean difference with its confidence interval from paired samples of unequal size.
//
// Each sample is a sum of differences over some labels; the estimate is the ratio of the totals and
// its variance the linearised one of a ratio estimator (Cochran 1977, "Sampling techniques",
// section 6.4), with Student's quantile.
#pragma once

#include <cstdint>
#include <vector>

#include "core/train/evaluate.h"

namespace rmkv {

class PairedEffect {
 public:
  // `difference`: sum over `labels` labels of loss(ablated) - loss(true).
  void add(double difference, int64_t labels);
  MemoryEffect result() const;

 private:
  std::vector<double> differences_;
  std::vector<int64_t> labels_;
};

// The 97.5 % quantile of Student's t with `freedom` degrees (Cornish-Fisher expansion from 5
// on, error below 0.2 %).
double student_quantile(int64_t freedom);

}  // namespace rmkv
