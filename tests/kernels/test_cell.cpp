// Pointwise parts of the memory cells.
#include <cmath>

#include "core/kernels/cell.h"
#include "tests/kernels/compare.h"

namespace rmkv {
namespace {

std::vector<Tensor> gru(const std::vector<Tensor>& in) {
  return {kernels::gru_cell(in[0], in[1], in[2])};
}
std::vector<Tensor> lstm(const std::vector<Tensor>& in) {
  const auto [hidden, cell] = kernels::lstm_cell(in[0], in[1]);
  return {hidden, cell};
}
std::vector<Tensor> bounded(const std::vector<Tensor>& in) {
  return {kernels::minimal_cell(in[0], in[1], true)};
}
std::vector<Tensor> unbounded(const std::vector<Tensor>& in) {
  return {kernels::minimal_cell(in[0], in[1], false)};
}
std::vector<Tensor> ema(const std::vector<Tensor>& in) {
  return {kernels::ema_cell(in[0], in[1], in[2])};
}

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

}  // namespace

TEST_CASE("cells compute their formulas", "[kernels]") {
  // One channel; columns of the gates are the gates.
  const Tensor in = at::tensor({0.3, -0.2, 0.7}).view({1, 3}),
               rec = at::tensor({-0.4, 0.9, 0.5}).view({1, 3});
  const Tensor old = at::tensor({0.25}).view({1, 1});
  const double reset = sigmoid(0.3 - 0.4), keep = sigmoid(-0.2 + 0.9),
               candidate = std::tanh(0.7 + reset * 0.5);
  CHECK(kernels::gru_cell(in, rec, old).item<double>() ==
        Approx(keep * 0.25 + (1 - keep) * candidate));
  const Tensor gates = at::tensor({0.3, -0.2, 0.7, 1.1}).view({1, 4});
  const auto [hidden, cell] = kernels::lstm_cell(gates, old);
  const double next = sigmoid(-0.2) * 0.25 + sigmoid(0.3) * std::tanh(0.7);
  CHECK(cell.item<double>() == Approx(next));
  CHECK(hidden.item<double>() == Approx(sigmoid(1.1) * std::tanh(next)));
  const Tensor pair = at::tensor({1.5, -0.6}).view({1, 2});
  CHECK(kernels::minimal_cell(pair, old).item<double>() ==
        Approx(sigmoid(1.5) * 0.25 + (1 - sigmoid(1.5)) * std::tanh(-0.6)));
  CHECK(kernels::minimal_cell(pair, old, false).item<double>() ==
        Approx(sigmoid(1.5) * 0.25 + (1 - sigmoid(1.5)) * -0.6 * sigmoid(-0.6)));
  CHECK(kernels::ema_cell(at::tensor({2.0}).view({1, 1}), at::tensor({4.0}).view({1, 1, 1}),
                          at::tensor({1.0}).view({1, 1, 1}))
            .item<double>() == Approx(sigmoid(2.0) + (1 - sigmoid(2.0)) * 4.0));
}

TEST_CASE("a large gate keeps the old memory", "[kernels]") {
  const Tensor old = random_tensor({3, 20}, 1).to(at::kFloat);
  const Tensor open = at::cat({at::full({3, 20}, 60.0f), at::full({3, 20}, 5.0f)}, -1);
  CHECK(at::equal(kernels::minimal_cell(open, old), old));
}

TEST_CASE("cell gradients are those of finite differences", "[kernels]") {
  const Tensor hidden = random_tensor({2, 3}, 1);
  check_finite_differences(gru, {random_tensor({2, 9}, 2), random_tensor({2, 9}, 3), hidden});
  check_finite_differences(lstm, {random_tensor({2, 12}, 4), hidden});
  check_finite_differences(bounded, {random_tensor({2, 6}, 5), hidden});
  check_finite_differences(unbounded, {random_tensor({2, 6}, 6), hidden});
  check_finite_differences(
      ema, {random_tensor({2, 3}, 7), random_tensor({4, 2, 3}, 8), random_tensor({4, 2, 3}, 9)});
}

TEST_CASE("fused cells equal the reference", "[kernels]") {
  for (const int64_t channels : {1, 17, 64}) {
    CAPTURE(channels);
    const Tensor hidden = random_tensor({3, 5, channels}, 1);
    const Tensor in = random_tensor({3, 5, 3 * channels}, 2, 2.0),
                 rec = random_tensor({3, 5, 3 * channels}, 3, 2.0);
    const Tensor gates = random_tensor({3, 5, 2 * channels}, 4, 3.0);
    check_against_double(gru, {in, rec, hidden}, {at::kFloat, at::kFloat, at::kFloat}, 1e-5);
    check_against_double(gru, {in, rec, hidden}, {at::kBFloat16, at::kBFloat16, at::kFloat}, 1e-2);
    for (const Operation& cell : {Operation(bounded), Operation(unbounded)}) {
      check_against_double(cell, {gates, hidden}, {at::kFloat, at::kFloat}, 1e-5);
      check_against_double(cell, {gates, hidden}, {at::kBFloat16, at::kFloat}, 1e-2);
    }
  }
}

TEST_CASE("cells refuse gates of another width", "[kernels]") {
  CHECK_THROWS_WITH(kernels::gru_cell(at::zeros({2, 5}), at::zeros({2, 6}), at::zeros({2, 2})),
                    Catch::Matchers::Contains("gru_cell input"));
}

}  // namespace rmkv
