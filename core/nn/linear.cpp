// See linear.h.
#include "core/nn/linear.h"

#include "core/kernels/linear.h"
#include "core/tensor/torch.h"

namespace rmkv {

Linear declare_linear(ParameterStore& store, const Initialiser& initial, const std::string& name,
                      int64_t inputs, int64_t outputs, double deviation, bool bias) {
  Linear layer;
  const Tensor weight = deviation == 0.0
                            ? initial.constant({outputs, inputs}, 0.0)
                            : initial.normal(name + ".weight", {outputs, inputs}, deviation);
  layer.weight = store.add(name + ".weight", weight, ParameterGroup::kMatrix);
  if (bias) {
    layer.bias =
        store.add(name + ".bias", initial.constant({outputs}, 0.0), ParameterGroup::kVector);
  }
  return layer;
}

Tensor apply_linear(const ParameterStore& store, const Linear& layer, const Tensor& x) {
  return kernels::linear(x, store[layer.weight], layer.bias ? store[*layer.bias] : Tensor());
}

}  // namespace rmkv
