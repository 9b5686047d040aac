// See initialise.h.
#include "core/nn/initialise.h"

#include "core/base/random.h"
#include "core/tensor/torch.h"

namespace rmkv {

Tensor Initialiser::normal(const std::string& name, const std::vector<int64_t>& shape,
                           double deviation) const {
  Tensor values = at::empty(shape, at::kDouble);
  RandomStream random(seed_, "initialise." + name);
  auto* data = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    data[i] = deviation * random.normal();
  }
  return values;
}

Tensor Initialiser::uniform(const std::string& name, const std::vector<int64_t>& shape, double low,
                            double high) const {
  Tensor values = at::empty(shape, at::kDouble);
  RandomStream random(seed_, "initialise." + name);
  auto* data = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    data[i] = low + (high - low) * random.uniform();
  }
  return values;
}

Tensor Initialiser::constant(const std::vector<int64_t>& shape, double value) const {
  return at::full(shape, value, at::kDouble);
}

}  // namespace rmkv
