// See loss.h.
#include "core/kernels/cpu/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

template <typename T>
void cross_entropy(T* logits, const int64_t* labels, const float* weights, int64_t rows,
                   int64_t vocabulary, float scale, float z_loss, bool gradient, float* losses) {
  parallel_for(rows, 4, [&](int64_t first, int64_t last) {
    std::vector<float> exponentials(static_cast<size_t>(vocabulary + kLanes));
    for (int64_t n = first; n < last; ++n) {
      T* row = logits + n * vocabulary;
      if (labels[n] < 0) {
        losses[n] = 0.0f;
        if (gradient) {
          std::fill(row, row + vocabulary, T(0.0f));
        }
        continue;
      }
      const int64_t whole = vocabulary / kLanes * kLanes, rest = vocabulary - whole;
      float largest = static_cast<float>(row[0]);
      if (whole > 0) {
        Floats most = load(row);
        for (int64_t c = kLanes; c < whole; c += kLanes) {
          most = maximum(most, load(row + c));
        }
        largest = max_lanes(most);
      }
      for (int64_t c = whole; c < vocabulary; ++c) {
        largest = std::max(largest, static_cast<float>(row[c]));
      }
      const float at_label = static_cast<float>(row[labels[n]]);
      Floats sums{};
      for (int64_t c = 0; c < whole; c += kLanes) {
        const Floats e = exponential(load(row + c) - largest);
        store(exponentials.data() + c, e);
        sums += e;
      }
      float sum = sum_lanes(sums);
      for (int64_t c = whole; c < vocabulary; ++c) {
        exponentials[static_cast<size_t>(c)] = std::exp(static_cast<float>(row[c]) - largest);
        sum += exponentials[static_cast<size_t>(c)];
      }
      const float log_z = largest + std::log(sum);
      losses[n] = log_z - at_label + z_loss * log_z * log_z;
      if (!gradient) {
        continue;
      }
      const float row_scale = weights == nullptr ? scale : scale * weights[n];
      const float factor = row_scale * (1.0f + 2.0f * z_loss * log_z) / sum;
      for (int64_t c = 0; c < whole; c += kLanes) {
        store(row + c, load(exponentials.data() + c) * factor);
      }
      if (rest > 0) {
        store_some(row + whole, load(exponentials.data() + whole) * factor, rest);
      }
      const float label_gradient =
          exponentials[static_cast<size_t>(labels[n])] * factor - row_scale;
      row[labels[n]] = static_cast<T>(label_gradient);
    }
  });
}

template void cross_entropy<float>(float*, const int64_t*, const float*, int64_t, int64_t, float,
                                   float, bool, float*);
template void cross_entropy<bf16>(bf16*, const int64_t*, const float*, int64_t, int64_t, float,
                                  float, bool, float*);

}  // namespace rmkv::kernels::cpu
