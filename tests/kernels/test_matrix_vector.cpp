// One row times a matrix: against fp64, and the same bits wherever the outputs are divided.
#include "core/kernels/cpu/matrix_vector.h"

#include <random>
#include <vector>

#include "tests/catch.h"

using namespace rmkv::kernels::cpu;

TEST_CASE("a matrix times a row is exact to rounding, added or not, with rows apart") {
  std::mt19937 random(31);
  std::normal_distribution<float> normal;
  for (const int64_t inputs : {1, 15, 16, 33, 64, 100}) {
    for (const int64_t outputs : {1, 15, 16, 17, 40}) {
      const int64_t stride = inputs + 5;
      std::vector<float> w(static_cast<size_t>(outputs * stride)), x(static_cast<size_t>(inputs));
      for (float& value : w) value = normal(random);
      for (float& value : x) value = normal(random);
      std::vector<float> whole(static_cast<size_t>(outputs), 2.0f), parts = whole, added = whole;
      matrix_vector(w.data(), stride, x.data(), inputs, 0, outputs, whole.data());
      matrix_vector(w.data(), stride, x.data(), inputs, 0, outputs, added.data(), true);
      const int64_t cut = outputs / 3;
      matrix_vector(w.data(), stride, x.data(), inputs, 0, cut, parts.data());
      matrix_vector(w.data(), stride, x.data(), inputs, cut, outputs, parts.data());
      CAPTURE(inputs, outputs);
      CHECK(parts == whole);
      for (int64_t o = 0; o < outputs; ++o) {
        double sum = 0;
        for (int64_t i = 0; i < inputs; ++i) {
          sum += static_cast<double>(w[static_cast<size_t>(o * stride + i)]) *
                 x[static_cast<size_t>(i)];
        }
        CHECK(std::abs(whole[static_cast<size_t>(o)] - sum) < 2e-5);
        CHECK(std::abs(added[static_cast<size_t>(o)] - sum - 2) < 2e-5);
      }
    }
  }
}
