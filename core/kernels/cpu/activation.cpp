// See activation.h.
#include "core/kernels/cpu/activation.h"

#include <algorithm>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

template <typename T>
void swiglu_forward(const T* gate_up, T* out, int64_t rows, int64_t width) {
  parallel_for(rows, 16, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      const T* gate = gate_up + n * 2 * width;
      for (int64_t f = 0; f < width; f += kLanes) {
        const int64_t count = std::min(kLanes, width - f);
        const Floats g = load_some(gate + f, count);
        store_some(out + n * width + f, g * sigmoid(g) * load_some(gate + width + f, count), count);
      }
    }
  });
}

template <typename T>
void swiglu_backward(const T* gate_up, const T* grad_out, T* grad_gate_up, int64_t rows,
                     int64_t width) {
  parallel_for(rows, 16, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      const T* gate = gate_up + n * 2 * width;
      T* grad_gate = grad_gate_up + n * 2 * width;
      for (int64_t f = 0; f < width; f += kLanes) {
        const int64_t count = std::min(kLanes, width - f);
        const Floats g = load_some(gate + f, count);
        const Floats up = load_some(gate + width + f, count);
        const Floats grad = load_some(grad_out + n * width + f, count);
        const Floats open = sigmoid(g);
        store_some(grad_gate + f, grad * up * open * (1.0f + g * (1.0f - open)), count);
        store_some(grad_gate + width + f, grad * g * open, count);
      }
    }
  });
}

template void swiglu_forward<float>(const float*, float*, int64_t, int64_t);
template void swiglu_forward<bf16>(const bf16*, bf16*, int64_t, int64_t);
template void swiglu_backward<float>(const float*, const float*, float*, int64_t, int64_t);
template void swiglu_backward<bf16>(const bf16*, const bf16*, bf16*, int64_t, int64_t);

}  // namespace rmkv::kernels::cpu
