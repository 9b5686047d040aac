// See embedding.h.
#include "core/kernels/embedding.h"

#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor embedding(const Tensor& ids, const Tensor& weight, at::ScalarType out) {
  return at::embedding(weight, ids).to(out);
}

}  // namespace rmkv::kernels
