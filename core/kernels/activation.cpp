// See activation.h.
#include "core/kernels/activation.h"

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor swiglu(const Tensor& gate_up) {
  return reference::swiglu(gate_up);
}

}  // namespace rmkv::kernels
