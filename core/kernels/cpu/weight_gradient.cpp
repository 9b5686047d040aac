// See weight_gradient.h.
#include "core/kernels/cpu/weight_gradient.h"

#include <algorithm>
#include <vector>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/small_product.h"

namespace rmkv::kernels::cpu {
namespace {

// Steps summed in registers before a tile is written: a panel of 64 columns of x then takes 32 KB,
// the first-level cache.
constexpr int64_t kSteps = 128;
// Columns of grad packed at a time, and what threads share out: a multiple of both the tile height
// and the vector, small enough that two threads split 256 outputs evenly.
constexpr int64_t kOutputs = 48;

// Rows first .. of T [rows, columns] as lanes [steps, width]; an odd last row is paired with zeros.
template <typename T>
void pack(const T* from, int64_t from_row, int64_t rows, int64_t columns, float* to,
          int64_t width) {
  constexpr int64_t kElements = kLaneElements<T>;
  const int64_t whole = rows / kElements * kElements;
  pair_rows(from, from_row, whole, columns, to, width);
  if (whole < rows) {
    std::vector<T> last(static_cast<size_t>(kElements * columns), T(0.0f));
    std::copy(from + whole * from_row, from + whole * from_row + columns, last.begin());
    pair_rows(last.data(), columns, kElements, columns, to + whole / kElements * width, width);
  }
}

}  // namespace

template <typename T>
void weight_gradient(const T* grad, int64_t grad_row, const T* x, int64_t x_row, float* out,
                     int64_t rows, int64_t outputs, int64_t inputs, bool accumulate) {
  constexpr int64_t kElements = kLaneElements<T>;
  constexpr int64_t kPanel = kTileVectors * kLanes;
  const int64_t chunks = (outputs + kOutputs - 1) / kOutputs;
  parallel_for(chunks, grain_of(rows * kOutputs * inputs), [&](int64_t first, int64_t last) {
    std::vector<float> panels(static_cast<size_t>(kSteps * inputs)),
        left(static_cast<size_t>(kSteps * kOutputs));
    for (int64_t row = 0; row < rows; row += kSteps * kElements) {
      const int64_t count = std::min(kSteps * kElements, rows - row);
      const int64_t steps = (count + kElements - 1) / kElements;
      for (int64_t column = 0; column < inputs; column += kPanel) {
        const int64_t width = std::min(kPanel, inputs - column);
        pack(x + row * x_row + column, x_row, count, width, panels.data() + column * kSteps, width);
      }
      for (int64_t chunk = first; chunk < last; ++chunk) {
        const int64_t output = chunk * kOutputs, height = std::min(kOutputs, outputs - output);
        pack(grad + row * grad_row + output, grad_row, count, height, left.data(), kOutputs);
        for (int64_t column = 0; column < inputs; column += kPanel) {
          const int64_t width = std::min(kPanel, inputs - column);
          small_product<T>(height, width / kLanes, steps, {left.data(), 1, kOutputs},
                           {panels.data() + column * kSteps, width, 1},
                           out + output * inputs + column, inputs, accumulate || row > 0);
        }
      }
    }
  });
}

template void weight_gradient<float>(const float*, int64_t, const float*, int64_t, float*, int64_t,
                                     int64_t, int64_t, bool);
template void weight_gradient<bf16>(const bf16*, int64_t, const bf16*, int64_t, float*, int64_t,
                                    int64_t, int64_t, bool);

}  // namespace rmkv::kernels::cpu
