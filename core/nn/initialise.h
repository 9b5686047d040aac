// Initial values of parameters, each a function of (seed, parameter name): adding a layer or
// reordering the declarations leaves every other parameter's start as it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

class Initialiser {
 public:
  explicit Initialiser(uint64_t seed) : seed_(seed) {}

  // fp64 CPU tensors; the parameter store converts them to its own dtype and device.
  Tensor normal(const std::string& name, const std::vector<int64_t>& shape, double deviation) const;
  // Uniform over [low, high).
  Tensor uniform(const std::string& name, const std::vector<int64_t>& shape, double low,
                 double high) const;
  Tensor constant(const std::vector<int64_t>& shape, double value) const;

  uint64_t seed() const { return seed_; }

 private:
  uint64_t seed_;
};

}  // namespace rmkv
