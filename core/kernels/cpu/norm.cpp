// See norm.h.
#include "core/kernels/cpu/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {
namespace {

// Parameter gradients are summed per block of rows, then over blocks in order: the same bits for
// any thread count.
constexpr int64_t kRowsPerBlock = 256;

template <typename Fn>
inline void for_lanes(int64_t channels, const Fn& fn) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    fn(c, std::min(kLanes, channels - c));
  }
}

}  // namespace

template <typename A, typename Out>
void norm_forward(const NormShape& shape, const float* x, const A* added, const float* weight,
                  const float* bias, float* sum, Out* out, float* mean, float* inverse) {
  const int64_t channels = shape.channels;
  const float size = static_cast<float>(channels);
  parallel_for(shape.rows, 64, [&](int64_t first, int64_t last) {
    std::vector<float> row(static_cast<size_t>(channels + kLanes));
    for (int64_t n = first; n < last; ++n) {
      const int64_t at = n * channels;
      Floats total{};
      for_lanes(channels, [&](int64_t c, int64_t count) {
        Floats v = load_some(x + at + c, count);
        if (added != nullptr) {
          v += load_some(added + at + c, count);
          store_some(sum + at + c, v, count);
        }
        store(row.data() + c, v);
        total += v;
      });
      const float centre = shape.centred ? sum_lanes(total) / size : 0.0f;
      Floats squares{};
      for_lanes(channels, [&](int64_t c, int64_t count) {
        Floats v = load(row.data() + c) - centre;
        store(row.data() + c, v);
        if (count < kLanes) {
          v = load_some(row.data() + c, count);  // the centre must not enter through the padding
        }
        squares += v * v;
      });
      const float scale = 1.0f / std::sqrt(sum_lanes(squares) / size + shape.epsilon);
      for_lanes(channels, [&](int64_t c, int64_t count) {
        Floats v = load(row.data() + c) * scale * load_some(weight + c, count);
        if (bias != nullptr) {
          v += load_some(bias + c, count);
        }
        store_some(out + at + c, v, count);
      });
      inverse[n] = scale;
      if (mean != nullptr) {
        mean[n] = centre;
      }
    }
  });
}

template <typename A, typename Out>
void norm_backward(const NormShape& shape, const float* x, const Out* grad_out, const float* passed,
                   const float* weight, const float* mean, const float* inverse, float* grad_x,
                   A* grad_added, float* grad_weight, float* grad_bias) {
  const int64_t channels = shape.channels;
  const float size = static_cast<float>(channels);
  const int64_t padded = (channels + kLanes - 1) / kLanes * kLanes;
  const int64_t blocks = (shape.rows + kRowsPerBlock - 1) / kRowsPerBlock;
  std::vector<float> partial(static_cast<size_t>(2 * blocks * padded), 0.0f);
  parallel_for(blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      float* block_weight = partial.data() + 2 * block * padded;
      float* block_bias = block_weight + padded;
      const int64_t end = std::min(shape.rows, (block + 1) * kRowsPerBlock);
      for (int64_t n = block * kRowsPerBlock; n < end; ++n) {
        const int64_t at = n * channels;
        const float centre = shape.centred ? mean[n] : 0.0f;
        const float scale = inverse[n];
        Floats along{}, level{};
        for_lanes(channels, [&](int64_t c, int64_t count) {
          const Floats g = load_some(grad_out + at + c, count);
          const Floats unit = (load_some(x + at + c, count) - centre) * scale;
          const Floats weighted = g * load_some(weight + c, count);
          store(block_weight + c, load(block_weight + c) + g * unit);
          store(block_bias + c, load(block_bias + c) + g);
          along += weighted * unit;
          level += weighted;
        });
        const float slope = sum_lanes(along) / size;
        const float shift = shape.centred ? sum_lanes(level) / size : 0.0f;
        for_lanes(channels, [&](int64_t c, int64_t count) {
          const Floats g = load_some(grad_out + at + c, count) * load_some(weight + c, count);
          const Floats unit = (load_some(x + at + c, count) - centre) * scale;
          Floats v = scale * (g - shift - unit * slope);
          if (passed != nullptr) {
            v += load_some(passed + at + c, count);
          }
          store_some(grad_x + at + c, v, count);
          if (grad_added != nullptr) {
            store_some(grad_added + at + c, v, count);
          }
        });
      }
    }
  });
  for (float* target : {grad_weight, grad_bias}) {
    if (target == nullptr) {
      continue;
    }
    const int64_t offset = target == grad_weight ? 0 : padded;
    std::fill(target, target + channels, 0.0f);
    for (int64_t block = 0; block < blocks; ++block) {
      const float* source = partial.data() + 2 * block * padded + offset;
      for (int64_t c = 0; c < channels; ++c) {
        target[c] += source[c];
      }
    }
  }
}

template void norm_forward<float, float>(const NormShape&, const float*, const float*, const float*,
                                         const float*, float*, float*, float*, float*);
template void norm_backward<float, float>(const NormShape&, const float*, const float*,
                                          const float*, const float*, const float*, const float*,
                                          float*, float*, float*, float*);
template void norm_forward<float, bf16>(const NormShape&, const float*, const float*, const float*,
                                        const float*, float*, bf16*, float*, float*);
template void norm_backward<float, bf16>(const NormShape&, const float*, const bf16*, const float*,
                                         const float*, const float*, const float*, float*, float*,
                                         float*, float*);
template void norm_forward<bf16, float>(const NormShape&, const float*, const bf16*, const float*,
                                        const float*, float*, float*, float*, float*);
template void norm_backward<bf16, float>(const NormShape&, const float*, const float*, const float*,
                                         const float*, const float*, const float*, float*, bf16*,
                                         float*, float*);
template void norm_forward<bf16, bf16>(const NormShape&, const float*, const bf16*, const float*,
                                       const float*, float*, bf16*, float*, float*);
template void norm_backward<bf16, bf16>(const NormShape&, const float*, const bf16*, const float*,
                                        const float*, const float*, const float*, float*, bf16*,
                                        float*, float*);

}  // namespace rmkv::kernels::cpu
