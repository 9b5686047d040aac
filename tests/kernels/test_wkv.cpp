// The recurrences of the RWKV family: fused against the fp64 form, finite differences, resets,
// padding, states in and out, splits.  Golden vectors are in test_wkv_golden.cpp.
#include "core/kernels/wkv.h"

#include "tests/kernels/compare.h"

using namespace rmkv;

namespace {

// Shapes that reach full and partial vectors, several chunks, and heads of one block and more.
struct Sizes {
  int64_t B, T, H, N;
};
const Sizes kSizes[] = {{2, 5, 2, 8}, {1, 70, 1, 16}, {2, 33, 2, 24}, {1, 7, 1, 72}};

// Resets and padding anywhere, a reset on a padded token among them.
Tensor some_marks(int64_t B, int64_t T) {
  Tensor marks = at::zeros({B, T}, at::kByte);
  for (int64_t b = 0; b < B; ++b) {
    marks[b][(2 + b) % T] = kernels::kMarkReset;
    marks[b][T - 1 - b] = kernels::kMarkSkip;
    marks[b][T / 2] = kernels::kMarkReset + kernels::kMarkSkip;
    if (T > 40) marks[b][32 + b] = kernels::kMarkReset;
  }
  return marks;
}

Operation wkv4_operation(const Tensor& marks) {
  return [marks](const std::vector<Tensor>& in) {
    const auto [y, state] = kernels::wkv4(in[0], in[1], -in[2].exp(), in[3], in[4], marks);
    // The exponent of an empty state would drown everything else.
    return std::vector<Tensor>{y, state.clamp_min(-100)};
  };
}
std::vector<Tensor> wkv4_inputs(const Sizes& s) {
  const int64_t C = s.H * s.N;
  return {random_tensor({s.B, s.T, C}, 1), random_tensor({s.B, s.T, C}, 2), random_tensor({C}, 3),
          random_tensor({C}, 4), random_tensor({s.B, 3, C}, 5).abs()};
}

Operation wkv_operation(const Tensor& marks) {
  return [marks](const std::vector<Tensor>& in) {
    const auto [y, state] = kernels::wkv(in[0], in[1], in[2], in[3].sigmoid(), in[4], in[5],
                                         in.size() > 6 ? in[6] : Tensor(), marks);
    return std::vector<Tensor>{y, state};
  };
}
std::vector<Tensor> wkv_inputs(const Sizes& s, bool constant) {
  const std::vector<int64_t> shape = {s.B, s.T, s.H, s.N};
  return {random_tensor(shape, 1),
          random_tensor(shape, 2),
          random_tensor(shape, 3),
          random_tensor(constant ? std::vector<int64_t>{s.H, s.N} : shape, 4),
          random_tensor({s.H, s.N}, 5),
          random_tensor({s.B, s.H, s.N, s.N}, 6),
          random_tensor({s.H, s.N, s.N}, 7)};
}

Operation wkv7_operation(const Tensor& marks) {
  return [marks](const std::vector<Tensor>& in) {
    const auto [y, state] = kernels::wkv7({in[0], in[1].sigmoid(), in[2], in[3], in[4], in[5]},
                                          in[6], in.size() > 7 ? in[7] : Tensor(), marks);
    return std::vector<Tensor>{y, state};
  };
}
std::vector<Tensor> wkv7_inputs(const Sizes& s) {
  const std::vector<int64_t> shape = {s.B, s.T, s.H, s.N};
  const Tensor kappa = random_tensor(shape, 5);
  const Tensor unit = kappa / kappa.norm(2, -1, true);
  return {random_tensor(shape, 1),
          random_tensor(shape, 2),
          random_tensor(shape, 3),
          random_tensor(shape, 4),
          -unit,
          unit * random_tensor(shape, 6).sigmoid(),
          random_tensor({s.B, s.H, s.N, s.N}, 7),
          random_tensor({s.H, s.N, s.N}, 8)};
}

std::vector<at::ScalarType> dtypes_of(const std::vector<Tensor>& inputs, at::ScalarType row,
                                      const std::vector<size_t>& narrow) {
  std::vector<at::ScalarType> dtypes(inputs.size(), at::kFloat);
  for (const size_t i : narrow) dtypes[i] = row;
  return dtypes;
}

}  // namespace

TEST_CASE("fused recurrences agree with the fp64 form, with resets, padding and states") {
  for (const Sizes& s : kSizes) {
    CAPTURE(s.B, s.T, s.H, s.N);
    for (const bool marked : {false, true}) {
      const Tensor marks = marked ? some_marks(s.B, s.T) : Tensor();
      const auto check = [](const Operation& operation, const std::vector<Tensor>& inputs,
                            const std::vector<size_t>& narrow) {
        check_against_double(operation, inputs, dtypes_of(inputs, at::kFloat, narrow), 2e-5);
        check_against_double(operation, inputs, dtypes_of(inputs, at::kBFloat16, narrow), 2e-2);
      };
      check(wkv4_operation(marks), wkv4_inputs(s), {0, 1});
      auto inputs = wkv_inputs(s, true);
      if (!marked) inputs.pop_back();  // without resets a reset state has no gradient
      check(wkv_operation(marks), inputs, {0, 1, 2});
      inputs = wkv_inputs(s, false);
      if (!marked) inputs.pop_back();
      check(wkv_operation(marks), inputs, {0, 1, 2});
      inputs = wkv7_inputs(s);
      if (!marked) inputs.pop_back();
      check(wkv7_operation(marks), inputs, {0, 2, 3, 4, 5});
    }
  }
}

TEST_CASE("the fp64 form of the recurrences has the gradients of finite differences") {
  const Sizes s = {2, 4, 1, 3};
  const Tensor marks = some_marks(s.B, s.T);
  check_finite_differences(wkv4_operation(marks), wkv4_inputs(s), 1e-6);
  check_finite_differences(wkv_operation(marks), wkv_inputs(s, true), 1e-6);
  check_finite_differences(wkv_operation(marks), wkv_inputs(s, false), 1e-6);
  check_finite_differences(wkv7_operation(marks), wkv7_inputs(s), 1e-6);
}

TEST_CASE("a block in any pieces gives the same bits as the whole") {
  at::NoGradGuard no_grad;
  const Sizes s = {2, 70, 2, 24};
  for (const at::ScalarType row : {at::kFloat, at::kBFloat16}) {
    auto four = wkv4_inputs(s), six = wkv_inputs(s, false), seven = wkv7_inputs(s);
    for (auto* inputs : {&four, &six, &seven}) {
      for (Tensor& x : *inputs) x = x.to(at::kFloat);
    }
    six[3] = six[3].sigmoid();
    seven[1] = seven[1].sigmoid();
    const Tensor marks = some_marks(s.B, s.T);
    // Advances a state over tokens first .. first + count.
    using Run = std::function<std::pair<Tensor, Tensor>(int64_t, int64_t, const Tensor&)>;
    const auto cut = [&](const Tensor& x, int64_t first, int64_t count) {
      return x.narrow(1, first, count).to(row);
    };
    const std::vector<std::pair<Tensor, Run>> runs = {
        {four[4],
         [&](int64_t f, int64_t n, const Tensor& state) {
           return kernels::wkv4(cut(four[0], f, n), cut(four[1], f, n), -four[2].exp(), four[3],
                                state, marks.narrow(1, f, n));
         }},
        {six[5],
         [&](int64_t f, int64_t n, const Tensor& state) {
           return kernels::wkv(cut(six[0], f, n), cut(six[1], f, n), cut(six[2], f, n),
                               six[3].narrow(1, f, n), six[4], state, six[6],
                               marks.narrow(1, f, n));
         }},
        {seven[6], [&](int64_t f, int64_t n, const Tensor& state) {
           return kernels::wkv7({cut(seven[0], f, n), seven[1].narrow(1, f, n), cut(seven[2], f, n),
                                 cut(seven[3], f, n), cut(seven[4], f, n), cut(seven[5], f, n)},
                                state, seven[7], marks.narrow(1, f, n));
         }}};
    for (const auto& [start, run] : runs) {
      const auto [whole, last] = run(0, s.T, start);
      for (const int64_t piece : {1, 2, 7, 33}) {
        Tensor state = start;
        std::vector<Tensor> parts;
        for (int64_t first = 0; first < s.T; first += piece) {
          auto [y, next] = run(first, std::min(piece, s.T - first), state);
          parts.push_back(y);
          state = next;
        }
        CHECK(at::equal(at::cat(parts, 1), whole));
        CHECK(at::equal(state, last));
      }
    }
  }
}
