// Norms, activation, rotation and embedding: reference values, finite differences, and the fused
// forms against fp64.
#include <cmath>

#include "core/kernels/activation.h"
#include "core/kernels/embedding.h"
#include "core/kernels/norm.h"
#include "core/kernels/rotary.h"
#include "tests/kernels/compare.h"

namespace rmkv {
namespace {

at::ScalarType wide(at::ScalarType x, at::ScalarType out) {
  return x == at::kDouble ? at::kDouble : out;
}

Operation rms(at::ScalarType out) {
  return [=](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {kernels::rms_norm(in[0], in[1], 1e-5, wide(in[0].scalar_type(), out))};
  };
}
Operation layer(at::ScalarType out) {
  return [=](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {kernels::layer_norm(in[0], in[1], in[2], 1e-5, wide(in[0].scalar_type(), out))};
  };
}
Operation added(at::ScalarType out) {
  return [=](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    const auto [sum, norm] =
        kernels::add_rms_norm(in[0], in[1], in[2], 1e-5, wide(in[0].scalar_type(), out));
    return {sum, norm};
  };
}
std::vector<Tensor> gate(const std::vector<Tensor>& in) {
  return {kernels::swiglu(in[0])};
}

}  // namespace

TEST_CASE("norms of a row known by hand", "[kernels]") {
  const Tensor x = at::tensor({3.0, -4.0}), weight = at::tensor({1.0, 2.0}),
               bias = at::tensor({0.5, 0.0});
  const double rms_value = std::sqrt(12.5);
  const Tensor a = kernels::rms_norm(x.view({1, 2}), weight, 0.0, at::kDouble);
  CHECK(a[0][0].item<double>() == Approx(3.0 / rms_value));
  CHECK(a[0][1].item<double>() == Approx(-8.0 / rms_value));
  const Tensor b = kernels::layer_norm(x.view({1, 2}), weight, bias, 0.0, at::kDouble);
  CHECK(b[0][0].item<double>() == Approx(1.5));
  CHECK(b[0][1].item<double>() == Approx(-2.0));
}

TEST_CASE("norm gradients are those of finite differences", "[kernels]") {
  const Tensor x = random_tensor({3, 5}, 1), y = random_tensor({3, 5}, 2),
               w = random_tensor({5}, 3), b = random_tensor({5}, 4);
  check_finite_differences(rms(at::kDouble), {x, w});
  check_finite_differences(layer(at::kDouble), {x, w, b});
  check_finite_differences(added(at::kDouble), {x, y, w});
}

TEST_CASE("fused norms equal the reference", "[kernels]") {
  for (const int64_t channels : {1, 7, 16, 40, 256}) {
    CAPTURE(channels);
    // More rows than one block of the parameter gradients.
    const Tensor x = random_tensor({3, 211, channels}, 5) + 0.5,
                 y = random_tensor({3, 211, channels}, 6);
    const Tensor w = random_tensor({channels}, 7), b = random_tensor({channels}, 8);
    if (channels > 1) {  // a centred row of one channel is zero
      check_against_double(layer(at::kFloat), {x, w, b}, {at::kFloat, at::kFloat, at::kFloat},
                           2e-5);
      check_against_double(layer(at::kBFloat16), {x, w, b}, {at::kFloat, at::kFloat, at::kFloat},
                           2e-2);
    }
    check_against_double(rms(at::kFloat), {x, w}, {at::kFloat, at::kFloat}, 2e-5);
    check_against_double(rms(at::kBFloat16), {x, w}, {at::kFloat, at::kFloat}, 2e-2);
    check_against_double(added(at::kFloat), {x, y, w}, {at::kFloat, at::kFloat, at::kFloat}, 2e-5);
    check_against_double(added(at::kBFloat16), {x, y, w}, {at::kFloat, at::kBFloat16, at::kFloat},
                         2e-2);
    check_repeats(added(at::kBFloat16), {x.to(at::kFloat), y.to(at::kBFloat16), w.to(at::kFloat)});
  }
}

TEST_CASE("the residual step passes gradients when only one result is used", "[kernels]") {
  const Tensor x = random_tensor({4, 8}, 1).to(at::kFloat),
               y = random_tensor({4, 8}, 2).to(at::kBFloat16);
  const Tensor w = random_tensor({8}, 3).to(at::kFloat);
  for (const size_t used : {0u, 1u}) {
    const Operation one = [=](const std::vector<Tensor>& in) -> std::vector<Tensor> {
      const auto results = added(at::kBFloat16)(in);
      return {results[used]};
    };
    // Gradients of the weight are undefined when only the sum is used.
    const Evaluation fused = evaluate(one, {x, y, w});
    const Evaluation exact =
        evaluate(one, {x.to(at::kDouble), y.to(at::kDouble), w.to(at::kDouble)});
    CHECK(relative_difference(fused.gradients[0], exact.gradients[0]) < 2e-2);
    CHECK(relative_difference(fused.gradients[1], exact.gradients[1]) < 2e-2);
    CHECK(fused.gradients[2].defined() == (used == 1));
  }
}

TEST_CASE("swiglu", "[kernels]") {
  const Tensor by_hand = kernels::swiglu(at::tensor({2.0, -1.0, 3.0, 5.0}).view({1, 4}));
  CHECK(by_hand[0][0].item<double>() == Approx(2.0 / (1.0 + std::exp(-2.0)) * 3.0));
  CHECK(by_hand[0][1].item<double>() == Approx(-1.0 / (1.0 + std::exp(1.0)) * 5.0));
  check_finite_differences(gate, {random_tensor({2, 6}, 1)});
  for (const int64_t width : {1, 15, 32, 100}) {
    CAPTURE(width);
    const Tensor x = random_tensor({5, 9, 2 * width}, 2, 4.0);
    check_against_double(gate, {x}, {at::kFloat}, 1e-5);
    check_against_double(gate, {x}, {at::kBFloat16}, 1e-2);
  }
  // Far out on both sides the gate is exactly open or shut, never NaN.
  const Tensor far = kernels::swiglu(at::tensor({200.0f, -200.0f, 1.0f, 1.0f}).view({1, 4}));
  CHECK(far[0][0].item<float>() == 200.0f);
  CHECK(std::abs(far[0][1].item<float>()) < 1e-30f);
  CHECK(kernels::swiglu(at::tensor({NAN, 1.0f})).isnan().all().item<bool>());
}

TEST_CASE("T13: rotary scores depend on differences of positions only, in every head alike",
          "[kernels]") {
  const Tensor q = random_tensor({1, 1, 2, 8}, 1), k = random_tensor({1, 1, 2, 8}, 2);
  const auto score = [&](int64_t at_query, int64_t at_key) {
    return (kernels::rotate(q, at_query) * kernels::rotate(k, at_key)).sum(-1);
  };
  CHECK(at::allclose(score(7, 3), score(1004, 1000), 1e-10, 1e-10));
  CHECK(at::allclose(score(2, -5), score(7, 0), 1e-10, 1e-10));
  CHECK(at::allclose(kernels::rotate(q, 5).norm(), q.norm(), 1e-12, 1e-12));
  CHECK(at::equal(kernels::rotate(q, 0), q));
  const Tensor alike = kernels::rotate(q.narrow(2, 0, 1).expand({1, 1, 2, 8}).contiguous(), 9);
  CHECK(at::equal(alike.select(2, 0), alike.select(2, 1)));
  check_finite_differences(
      [](const std::vector<Tensor>& in) -> std::vector<Tensor> {
        return {kernels::rotate(in[0], 3)};
      },
      {random_tensor({1, 2, 2, 4}, 3)});
}

TEST_CASE("embedding rows and their summed gradient", "[kernels]") {
  const Tensor ids = at::tensor({2, 0, 2, 1, 2}, at::kLong).view({1, 5});
  for (const auto out : {at::kFloat, at::kBFloat16}) {
    Tensor weight = random_tensor({4, 3}, 1).to(at::kFloat).requires_grad_();
    const Tensor rows = kernels::embedding(ids, weight, out);
    CHECK(rows.scalar_type() == out);
    CHECK(at::equal(rows[0][1], weight[0].to(out)));
    rows.to(at::kFloat).sum().backward();
    const Tensor counts = at::tensor({1.0f, 1.0f, 3.0f, 0.0f}).view({4, 1}).expand({4, 3});
    CHECK(at::allclose(weight.grad(), counts));
  }
  CHECK_THROWS(kernels::embedding(at::tensor({4}, at::kLong), at::zeros({4, 3}), at::kFloat));
}

}  // namespace rmkv
