// The short convolution: by hand, against the fp64 form, by finite differences, in pieces.
#include "core/kernels/short_convolution.h"

#include "core/kernels/wkv.h"
#include "tests/kernels/compare.h"

using namespace rmkv;

namespace {

// uint8 [2, 9]: resets, padding, both at once, and both in a row.
Tensor some_marks() {
  Tensor marks = at::zeros({2, 9}, at::kByte);
  marks[0][2] = kernels::kMarkReset;
  marks[0][4] = kernels::kMarkReset + kernels::kMarkSkip;
  marks[0][8] = kernels::kMarkSkip;
  marks[1][0] = kernels::kMarkSkip;
  marks[1][6] = kernels::kMarkSkip;
  marks[1][7] = kernels::kMarkSkip;
  return marks;
}

}  // namespace

TEST_CASE("a short convolution adds the weighted rows before a row") {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0}).view({1, 4, 1}).to(dtype);
    const Tensor recent = at::tensor({10.0, 20.0}).view({1, 2, 1}).to(dtype);  // oldest first
    const Tensor weights =
        at::tensor({0.5, 0.25}).view({2, 1}).to(dtype == at::kDouble ? at::kDouble : at::kFloat);
    const auto [rows, last] = kernels::short_convolution(x, recent, weights);
    const Tensor expected = at::tensor({13.5, 7.5, 4.25, 6.0});
    CHECK(at::equal(rows.flatten().to(at::kFloat), expected.to(at::kFloat)));
    CHECK(at::equal(last.flatten().to(at::kFloat), at::tensor({3.0f, 4.0f})));
    // The third token starts anew, the second is padding.
    Tensor marks = at::zeros({1, 4}, at::kByte);
    marks[0][1] = kernels::kMarkSkip;
    marks[0][2] = kernels::kMarkReset;
    const auto [marked, marked_last] = kernels::short_convolution(x, recent, weights, marks);
    CHECK(at::equal(marked.flatten().to(at::kFloat), at::tensor({13.5f, 2.0f, 3.0f, 5.5f})));
    CHECK(at::equal(marked_last.flatten().to(at::kFloat), at::tensor({3.0f, 4.0f})));
  }
}

TEST_CASE("the short convolution agrees with the fp64 form and finite differences") {
  for (const int64_t rows : {1, 3, 8}) {
    for (const Tensor& marks : {Tensor(), some_marks()}) {
      const Operation convolve = [&](const std::vector<Tensor>& in) {
        const auto [out, last] = kernels::short_convolution(in[0], in[1], in[2], marks);
        return std::vector<Tensor>{out, last};
      };
      const std::vector<Tensor> inputs = {random_tensor({2, 9, 19}, 1),
                                          random_tensor({2, rows, 19}, 2),
                                          random_tensor({rows, 19}, 3)};
      check_finite_differences(convolve, inputs);
      check_against_double(convolve, inputs, {at::kFloat, at::kFloat, at::kFloat}, 1e-5);
      check_against_double(convolve, inputs, {at::kBFloat16, at::kBFloat16, at::kFloat}, 3e-2);
    }
  }
}

TEST_CASE("a short convolution in pieces gives the bits of the whole") {
  at::NoGradGuard no_grad;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const Tensor x = random_tensor({2, 9, 35}, 1).to(dtype),
                 recent = random_tensor({2, 3, 35}, 2).to(dtype),
                 weights = random_tensor({3, 35}, 3).to(at::kFloat);
    const auto [whole, whole_last] = kernels::short_convolution(x, recent, weights);
    for (const int64_t piece : {1, 2, 5}) {
      Tensor before = recent;
      for (int64_t first = 0; first < 9; first += piece) {
        const int64_t count = std::min<int64_t>(piece, 9 - first);
        const auto [rows, last] =
            kernels::short_convolution(x.narrow(1, first, count), before, weights);
        CHECK(at::equal(rows, whole.narrow(1, first, count)));
        before = last;
      }
      CHECK(at::equal(before, whole_last));
    }
  }
}

TEST_CASE("a short convolution of wrong shapes is refused") {
  using Catch::Matchers::Contains;
  const Tensor x = at::zeros({1, 2, 3});
  CHECK_THROWS_WITH(kernels::short_convolution(x, at::zeros({1, 2, 3}), at::zeros({1, 3})),
                    Contains("recent"));
  CHECK_THROWS_WITH(kernels::short_convolution(x, at::zeros({1, 9, 3}), at::zeros({9, 3})),
                    Contains("1 to 8 rows"));
}
