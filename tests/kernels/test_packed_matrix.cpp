// Packed weights against products of the dequantised rows in fp64; bits for any number of rows.
#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "core/kernels/cpu/packed_matrix.h"
#include "core/kernels/cpu/thread_choice.h"
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
  problem.matrix = PackedMatrix(type, outputs, inputs, {type, stored.data()}, problem.arena);
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
  // The last is too small to be divided by.
  constexpr float kSizes[] = {1e-20f, 1e15f, 0.0f, 1e-38f};
  RowBuffer rows(1, 128, true);
  float* x = rows.view().row(0);
  for (int i = 0; i < 128; ++i) x[i] = normal(random) * kSizes[i / 32];
  encode_row(RowForm::kCodes, rows.view(), 0, 0, 128);
  for (int b = 0; b < 4; ++b) {
    const CodeBlock& block = rows.view().codes[b];
    float peak = 0;
    int sum = 0;
    for (int i = 0; i < 32; ++i) peak = std::max(peak, std::abs(x[b * 32 + i]));
    for (int i = 0; i < 32; ++i) {
      const int code = 256 * block.high[i] + block.low[i];
      sum += code;
      CHECK(std::abs(block.scale * static_cast<float>(code) - x[b * 32 + i]) <=
            std::max(peak * 1.7e-5f, 1e-30f));
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

TEST_CASE("rows of another type are packed as their converted rows") {
  const int64_t outputs = 40, inputs = 96;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(outputs * inputs));
  for (float& value : values) value = normal(random);
  for (const std::string& name : weight_type_names()) {
    INFO(name);
    const WeightType type = parse_weight_type(name);
    std::vector<uint8_t> converted(bytes_of_row(type, inputs) * outputs);
    quantize_rows(type, values.data(), converted.data(), outputs, inputs);
    WeightArena arena;
    const StoredRows floats{WeightType::F32, reinterpret_cast<const uint8_t*>(values.data())};
    const PackedMatrix direct(type, outputs, inputs, floats, arena);
    const PackedMatrix twice(type, outputs, inputs, {type, converted.data()}, arena);
    RowBuffer x(1, inputs, true, true), y(1, outputs), z(1, outputs);
    for (int64_t i = 0; i < inputs; ++i) x.view().row(0)[i] = normal(random);
    const RowForm form = direct.row_form(false);
    if (form != RowForm::kFloat) encode_row(form, x.view(), 0, 0, inputs);
    direct.multiply(x.view(), 1, form, y.view().values, y.view().stride, 0, direct.panels());
    twice.multiply(x.view(), 1, form, z.view().values, z.view().stride, 0, twice.panels());
    CHECK(std::equal(y.view().row(0), y.view().row(0) + outputs, z.view().row(0)));
  }
}

TEST_CASE("a job may take a part of the team") {
  ThreadTeam team(4);
  for (int threads = 1; threads <= 5; ++threads) {
    std::vector<int> steps(4, 0);
    for (int round = 0; round < 20; ++round) {
      team.run(threads, [&](int thread) {
        ++steps[static_cast<size_t>(thread)];
        team.barrier();
        team.barrier();
      });
    }
    for (int thread = 0; thread < 4; ++thread) {
      CHECK(steps[static_cast<size_t>(thread)] == (thread < threads ? 20 : 0));
    }
  }
  CHECK(ThreadTeam::worth(1000, 5, 8) == 1);
  CHECK(ThreadTeam::worth(int64_t{1} << 30, 5, 8) == 8);
  CHECK(ThreadTeam::worth(int64_t{1} << 30, 0, 0) == 1);
}

// Calls that take `cost(threads)` seconds; returns how often the last 1000 of `calls` took another
// number of threads than `expected`.
template <typename Cost>
int strays(ThreadChoice& choice, int calls, int expected, const Cost& cost) {
  int others = 0;
  for (int call = 0; call < calls; ++call) {
    if (call >= calls - 1000 && choice.threads() != expected) ++others;
    choice.note(cost(choice.threads()));
  }
  return others;
}

TEST_CASE("the number of threads follows what calls cost") {
  ThreadChoice choice(8, 8);
  CHECK(strays(choice, 3000, 1, [](int threads) { return 1e-5 * threads; }) < 25);
  CHECK(strays(choice, 20000, 8, [](int threads) { return 1e-3 / threads; }) < 25);
  // A part of the team is best.
  CHECK(strays(choice, 20000, 4, [](int n) { return 1e-3 / n + 6e-5 * n; }) < 25);
  ThreadChoice one(1, 1);
  CHECK(strays(one, 1000, 1, [](int) { return 1e-5; }) == 0);
}
