// See norm.h.
#include "core/nn/norm.h"

#include "core/kernels/norm.h"
#include "core/tensor/torch.h"

namespace rmkv {

NormKind parse_norm(const std::string& name) {
  if (name == "rms") {
    return NormKind::kRms;
  }
  if (name == "layer") {
    return NormKind::kLayer;
  }
  fail_because("norm", unknown_name_text("norm", name, {"rms", "layer"}));
}

std::string norm_name(NormKind kind) {
  return kind == NormKind::kRms ? "rms" : "layer";
}

Norm declare_norm(ParameterStore& store, const Initialiser& initial, const std::string& name,
                  NormKind kind, int64_t channels, double epsilon) {
  Norm norm;
  norm.kind = kind;
  norm.epsilon = epsilon;
  norm.weight =
      store.add(name + ".weight", initial.constant({channels}, 1.0), ParameterGroup::kVector);
  if (kind == NormKind::kLayer) {
    norm.bias =
        store.add(name + ".bias", initial.constant({channels}, 0.0), ParameterGroup::kVector);
  }
  return norm;
}

Tensor apply_norm(const ParameterStore& store, const Norm& norm, const Tensor& x,
                  at::ScalarType out) {
  if (norm.kind == NormKind::kRms) {
    return kernels::rms_norm(x, store[norm.weight], norm.epsilon, out);
  }
  return kernels::layer_norm(x, store[norm.weight], store[norm.bias], norm.epsilon, out);
}

std::pair<Tensor, Tensor> apply_add_norm(const ParameterStore& store, const Norm& norm,
                                         const Tensor& x, const Tensor& y, at::ScalarType out) {
  if (norm.kind == NormKind::kRms) {
    return kernels::add_rms_norm(x, y, store[norm.weight], norm.epsilon, out);
  }
  const Tensor sum = x + y.to(x.scalar_type());
  return {sum, kernels::layer_norm(sum, store[norm.weight], store[norm.bias], norm.epsilon, out)};
}

}  // namespace rmkv
