// Packed weights against products of the dequantised rows in fp64; bits for any number of rows.
#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "core/kernels/cpu/packed_matrix.h"
#include "core/kernels/cpu/thread_team.h"
#include "tests/catch.h"

using namespace rmkv;
using namespace rmkv::kernels::cpu;

namespace {

struct Problem {
  std::vector<float> weights;  // [O, K], as the packed matrix holds them
  WeightArena arena;
  PackedMatrix matrix;
  RowBuffer x;
};

// Random weights in `type`, random rows in every form.
void fill(Problem& problem, WeightType type, int64_t outputs, int64_t inputs, int64_t rows,
          uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(outputs * inputs));
  for (float& value : values) value = normal(random);
  const uint64_t row_bytes = bytes_of_row(type, inputs);
  std::vector<uint8_t> stored(row_bytes * static_cast<uint64_t>(outputs));
  quantize_rows(type, values.data(), stored.data(), outputs, inputs);
  problem.weights.resize(values.size());
  dequantize_rows(type, stored.data(), problem.weights.data(), outputs, inputs);
  problem.matrix = PackedMatrix(
      type, outputs, inputs,
      [&](int64_t output, uint8_t* row) {
        std::copy_n(stored.data() + static_cast<uint64_t>(output) * row_bytes, row_bytes, row);
      },
      problem.arena);
  problem.x = RowBuffer(rows, inputs, true, true);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < inputs; ++i) problem.x.view().row(r)[i] = normal(random);
    encode_row(RowForm::kCodes, problem.x.view(), r, 0, inputs);
    encode_row(RowForm::kBytes, problem.x.view(), r, 0, inputs);
    encode_row(RowForm::kHalves, problem.x.view(), r, 0, inputs);
  }
}

RowBuffer multiply(const Problem& problem, int64_t rows, RowForm form) {
  RowBuffer y(rows, problem.matrix.outputs());
  problem.matrix.multiply(problem.x.view(), rows, form, y.view().values, y.view().stride, 0,
                          problem.matrix.panels());
  return y;
}

// Root mean square of the error over that of the exact product.
double relative_error(const Problem& problem, const RowBuffer& y, int64_t rows) {
  const int64_t K = problem.matrix.inputs();
  double error = 0, size = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = problem.x.view().row(r);
    for (int64_t o = 0; o < problem.matrix.outputs(); ++o) {
      double exact = 0;
      for (int64_t i = 0; i < K; ++i) {
        exact += static_cast<double>(problem.weights[static_cast<size_t>(o * K + i)]) * x[i];
      }
      const double difference = y.view().row(r)[o] - exact;
      error += difference * difference;
      size += exact * exact;
    }
  }
  return std::sqrt(error / size);
}

const WeightType kTypes[] = {WeightType::F32,  WeightType::F16,  WeightType::BF16,
                             WeightType::Q8_0, WeightType::Q5_1, WeightType::Q5_0,
                             WeightType::Q4_1, WeightType::Q4_0};

}  // namespace

TEST_CASE("packed products come near the exact ones in every type and shape") {
  const struct {
    int64_t outputs, inputs;
  } shapes[] = {{1, 32}, {32, 64}, {75, 96}, {100, 800}, {7, 2}};
  for (const auto type : kTypes) {
    for (const auto& shape : shapes) {
      if (PackedMatrix::fitting(type, shape.inputs) != type) continue;
      Problem problem;
      fill(problem, type, shape.outputs, shape.inputs, 29, 17);
      const RowBuffer y = multiply(problem, 29, problem.matrix.row_form(false));
      CAPTURE(weight_type_name(type), shape.outputs, shape.inputs);
      // Floats: fp32 sums.  Blocks: activations of 16 bits, 2^-16 of a block's largest, or of 8.
      const RowForm form = problem.matrix.row_form(false);
      const double limit = form == RowForm::kBytes ? 8e-3 : form == RowForm::kCodes ? 5e-5 : 1e-6;
      CHECK(relative_error(problem, y, 29) < limit);
      for (int64_t o = shape.outputs; o < problem.matrix.panels() * 32; ++o) {
        CHECK(y.view().row(3)[o] == 0);  // beyond the outputs
      }
    }
  }
}

TEST_CASE("a row of a packed product has the same bits alone and among others") {
  for (const auto type : kTypes) {
    Problem problem;
    fill(problem, type, 64, 352, 27, 18);
    const RowForm form = problem.matrix.row_form(false);
    const RowBuffer all = multiply(problem, 27, form);
    for (const int64_t rows : {1, 2, 5, 6, 7, 11, 12, 13}) {
      const RowBuffer some = multiply(problem, rows, form);
      CAPTURE(weight_type_name(type), rows);
      for (int64_t r = 0; r < rows; ++r) {
        CHECK(std::equal(some.view().row(r), some.view().row(r) + 64, all.view().row(r)));
      }
    }
  }
}

TEST_CASE("bf16 activations cost a bf16 rounding") {
  Problem problem;
  fill(problem, WeightType::BF16, 64, 512, 20, 19);
  const RowForm form = problem.matrix.row_form(true);
  if (form != RowForm::kHalves) {
    WARN("SKIPPED: no bf16 dot products on this machine");
    return;
  }
  const double error = relative_error(problem, multiply(problem, 20, form), 20);
  CHECK(error > 1e-4);
  CHECK(error < 4e-3);
}

TEST_CASE("rows that are no whole blocks get another type") {
  CHECK(PackedMatrix::fitting(WeightType::Q8_0, 64) == WeightType::Q8_0);
  CHECK(PackedMatrix::fitting(WeightType::Q4_0, 40) == WeightType::F16);
  CHECK(PackedMatrix::fitting(WeightType::BF16, 33) == WeightType::F32);
}

TEST_CASE("activations as 16-bit codes keep their value to 2^-16 of the block's largest") {
  std::mt19937 random(20);
  std::normal_distribution<float> normal;
  RowBuffer rows(1, 96, true);
  float* x = rows.view().row(0);
  for (int i = 0; i < 96; ++i) x[i] = normal(random) * (i < 32 ? 1e-20f : i < 64 ? 1e15f : 0.0f);
  encode_row(RowForm::kCodes, rows.view(), 0, 0, 96);
  for (int b = 0; b < 3; ++b) {
    const CodeBlock& block = rows.view().codes[b];
    float peak = 0;
    int sum = 0;
    for (int i = 0; i < 32; ++i) peak = std::max(peak, std::abs(x[b * 32 + i]));
    for (int i = 0; i < 32; ++i) {
      const int code = 256 * block.high[i] + block.low[i];
      sum += code;
      CHECK(std::abs(block.scale * static_cast<float>(code) - x[b * 32 + i]) <= peak * 1.7e-5f);
    }
    CHECK(sum == block.sum);
  }
}

TEST_CASE("a team meets at its barriers and starts again after a pause") {
  ThreadTeam team(4);
  std::vector<int> steps(4, 0);
  bool together = true;
  for (int round = 0; round < 50; ++round) {
    // Long enough for waiting threads to fall asleep now and then.
    if (round % 10 == 9) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    team.run([&](int thread) {
      for (int step = 0; step < 20; ++step) {
        ++steps[static_cast<size_t>(thread)];
        team.barrier();
        for (const int other : steps) {
          if (other != steps[static_cast<size_t>(thread)]) together = false;
        }
        team.barrier();
      }
    });
  }
  CHECK(together);
  CHECK(steps == std::vector<int>(4, 1000));
}
