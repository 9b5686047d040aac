// The head with its cross-entropy, and linear maps with their converted weights.
#include <cmath>

#include "core/kernels/linear.h"
#include "core/kernels/loss.h"
#include "core/kernels/reference.h"
#include "tests/kernels/compare.h"

namespace rmkv {
namespace {

Tensor some_labels(int64_t rows, int64_t vocabulary) {
  auto generator = at::detail::createCPUGenerator(11);
  Tensor labels =
      at::randint(0, vocabulary, {rows}, generator, at::TensorOptions().dtype(at::kLong));
  labels[1] = kernels::kIgnoredLabel;
  labels[rows - 1] = vocabulary - 1;
  return labels;
}

Operation loss(const Tensor& labels, kernels::HeadLossOptions options) {
  return [=](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {kernels::head_loss(in[0], in[1], labels, options)};
  };
}

}  // namespace

TEST_CASE("the head loss of uniform logits is the log of the vocabulary", "[kernels]") {
  const Tensor hidden = at::zeros({4, 8}), weight = random_tensor({10, 8}, 1).to(at::kFloat);
  const Tensor labels = at::tensor({0L, 9L, -100L, 3L}, at::kLong);
  CHECK(kernels::head_loss(hidden, weight, labels).item<double>() == Approx(3.0 * std::log(10.0)));
  const Tensor rows = kernels::head_losses(hidden, weight, labels);
  CHECK(rows[2].item<float>() == 0.0f);
  CHECK(rows[0].item<double>() == Approx(std::log(10.0)));
}

TEST_CASE("head loss gradients are those of finite differences", "[kernels]") {
  const Tensor hidden = random_tensor({5, 4}, 1), weight = random_tensor({7, 4}, 2);
  for (const int64_t chunk : {2, 5}) {
    check_finite_differences(loss(some_labels(5, 7), {0.25, 0.1, chunk}), {hidden, weight});
  }
}

TEST_CASE("the chunked head loss equals the plain one", "[kernels]") {
  for (const int64_t vocabulary : {5, 33, 512}) {
    CAPTURE(vocabulary);
    const Tensor hidden = random_tensor({70, 24}, 1),
                 weight = random_tensor({vocabulary, 24}, 2, 0.3);
    const Tensor labels = some_labels(70, vocabulary);
    const kernels::HeadLossOptions options{1.0 / 69, 1e-3, 32};
    const Tensor plain =
        kernels::reference::head_losses(hidden, weight, labels, options.z_loss).sum() *
        options.scale;
    CHECK(kernels::head_loss(hidden, weight, labels, options).item<double>() ==
          Approx(plain.item<double>()).epsilon(1e-12));
    check_against_double(loss(labels, options), {hidden, weight}, {at::kFloat, at::kFloat}, 1e-5);
    check_against_double(loss(labels, options), {hidden, weight}, {at::kBFloat16, at::kFloat},
                         3e-2);
    check_repeats(loss(labels, options), {hidden.to(at::kBFloat16), weight.to(at::kFloat)});
    const Tensor rows = kernels::head_losses(hidden.to(at::kFloat), weight.to(at::kFloat), labels);
    CHECK(at::allclose(rows.to(at::kDouble),
                       kernels::reference::head_losses(hidden, weight, labels, 0.0), 1e-4, 1e-5));
  }
}

TEST_CASE("L2Wrap adds its factor times the largest logit to that logit's gradient", "[kernels]") {
  const Tensor hidden = random_tensor({9, 4}, 1), head = random_tensor({37, 4}, 2);
  const Tensor labels = some_labels(9, 37);
  kernels::HeadLossOptions options{0.25, 0.1, 4};
  options.l2_wrap = 0.3;  // 1e-4 would hide in the other gradients
  check_finite_differences(loss(labels, options), {hidden, head});
  check_against_double(loss(labels, options), {hidden, head}, {at::kFloat, at::kFloat}, 1e-5);
  check_against_double(loss(labels, options), {hidden, head}, {at::kBFloat16, at::kFloat}, 3e-2);

  // As RWKV-LM's backward: max * factor / rows, scattered to the place of the maximum.
  const auto gradient = [&](double factor) {
    kernels::HeadLossOptions own{1.0 / 8};
    own.l2_wrap = factor;
    Tensor rows = hidden.detach().clone().requires_grad_();
    const auto result = kernels::weighted_head_loss(rows, head, labels, {}, own);
    result.loss.backward();
    CHECK(
        result.plain.item<double>() ==
        Approx(kernels::reference::head_losses(hidden, head, labels, 0.0).sum().item<double>() / 8)
            .epsilon(1e-12));  // what is reported has no L2Wrap
    return rows.grad();
  };
  const auto [largest, place] = at::mm(hidden, head.t()).max(-1, true);
  Tensor expected = at::zeros({9, 37}, at::kDouble).scatter_(1, place, largest * (1e-4 / 8));
  expected.masked_fill_(labels.lt(0).unsqueeze(1), 0);
  CHECK(at::allclose(gradient(1e-4) - gradient(0), at::mm(expected, head), 1e-9, 1e-12));
}

TEST_CASE("the head loss scales its gradients by what follows it", "[kernels]") {
  Tensor hidden = random_tensor({3, 4}, 1).requires_grad_(),
         weight = random_tensor({6, 4}, 2).requires_grad_();
  const Tensor labels = at::tensor({1, 2, 5}, at::kLong);
  kernels::head_loss(hidden, weight, labels).backward();
  const Tensor once = hidden.grad().clone();
  hidden.mutable_grad() = Tensor();
  (3.0 * kernels::head_loss(hidden, weight, labels)).backward();
  CHECK(at::allclose(hidden.grad(), 3.0 * once, 1e-12, 1e-12));
}

TEST_CASE("row weights are factors on loss and gradient, in every dtype", "[kernels]") {
  const Tensor hidden = random_tensor({70, 24}, 1), head = random_tensor({33, 24}, 2, 0.3);
  const Tensor labels = some_labels(70, 33);
  Tensor weights = random_tensor({70}, 3).abs().to(at::kFloat);
  weights[0] = 0.0f;
  const kernels::HeadLossOptions options{1.0 / 69, 1e-2, 32};
  const Operation weighted = [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {kernels::weighted_head_loss(in[0], in[1], labels, weights, options).loss};
  };
  const Operation plain = [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    const Tensor rows = kernels::reference::head_losses(in[0], in[1], labels, options.z_loss);
    return {(rows * weights.to(rows.scalar_type())).sum() * options.scale};
  };
  const Evaluation got = evaluate(weighted, {hidden, head}),
                   expected = evaluate(plain, {hidden, head});
  CHECK(relative_difference(got.results[0], expected.results[0]) < 1e-12);
  for (size_t i = 0; i < 2; ++i)
    CHECK(relative_difference(got.gradients[i], expected.gradients[i]) < 1e-10);
  check_against_double(weighted, {hidden, head}, {at::kFloat, at::kFloat}, 1e-5);
  check_against_double(weighted, {hidden, head}, {at::kBFloat16, at::kFloat}, 3e-2);
  const Tensor few = random_tensor({5, 4}, 4), small = random_tensor({7, 4}, 5);
  const Tensor five = at::tensor({0.0f, 1.0f, 2.5f, 0.25f, 1.0f});
  check_finite_differences(
      [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
        return {kernels::weighted_head_loss(in[0], in[1], some_labels(5, 7), five, {0.25, 0.1, 2})
                    .loss};
      },
      {few, small});
  // What is reported beside it has no weights.
  CHECK(kernels::weighted_head_loss(hidden, head, labels, weights, options).plain.item<double>() ==
        Approx(kernels::head_loss(hidden, head, labels, options).item<double>()).epsilon(1e-12));
  CHECK_THROWS_WITH(kernels::weighted_head_loss(hidden, head, labels, weights.narrow(0, 0, 3)),
                    Catch::Matchers::Contains("weights"));
}

TEST_CASE("the head loss refuses labels outside the vocabulary", "[kernels]") {
  CHECK_THROWS_WITH(
      kernels::head_loss(at::zeros({1, 2}), at::zeros({3, 2}), at::tensor({3}, at::kLong)),
      Catch::Matchers::Contains("label 3"));
}

TEST_CASE("linear maps equal the reference in every dtype", "[kernels]") {
  const Operation map = [](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {kernels::linear(in[0], in[1], in.size() > 2 ? in[2] : Tensor())};
  };
  const Tensor x = random_tensor({2, 9, 12}, 1), w = random_tensor({20, 12}, 2),
               b = random_tensor({20}, 3);
  check_finite_differences(
      map, {random_tensor({2, 3}, 4), random_tensor({4, 3}, 5), random_tensor({4}, 6)});
  for (const std::vector<Tensor>& in : {std::vector<Tensor>{x, w}, std::vector<Tensor>{x, w, b}}) {
    check_against_double(map, in, std::vector<at::ScalarType>(in.size(), at::kFloat), 1e-5);
    check_against_double(map, in, {at::kBFloat16, at::kFloat, at::kFloat}, 2e-2);
  }
  CHECK_THROWS_WITH(kernels::linear(at::zeros({2, 3}), at::zeros({4, 5})),
                    Catch::Matchers::Contains("weight"));
}

TEST_CASE("weight gradients are summed in fp32 over odd numbers of rows", "[kernels]") {
  const Operation map = [](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {kernels::linear(in[0], in[1])};
  };
  // One row, an odd count below and above the block of rows, widths that leave part of a panel and
  // of a tile.
  for (const int64_t rows : {1, 37, 301}) {
    for (const int64_t outputs : {16, 112}) {
      CAPTURE(rows, outputs);
      const Tensor x = random_tensor({rows, 80}, 1), w = random_tensor({outputs, 80}, 2);
      check_against_double(map, {x, w}, {at::kFloat, at::kFloat}, 1e-5);
      // The gradient that arrives is rounded to bf16; the sum over rows is not.
      const Tensor narrow = x.to(at::kBFloat16);
      const Evaluation fused = evaluate(map, {narrow, w.to(at::kFloat)});
      const Evaluation exact = evaluate(map, {narrow.to(at::kDouble), w});
      CHECK(relative_difference(fused.gradients[1], exact.gradients[1]) < 6e-3);
      check_repeats(map, {narrow, w.to(at::kFloat)});
    }
  }
}

TEST_CASE("a converted weight follows its master", "[kernels]") {
  Tensor master = at::ones({4, 4});
  const Tensor first = kernels::converted_weight(master, at::kBFloat16);
  CHECK(kernels::converted_weight(master, at::kBFloat16).data_ptr() == first.data_ptr());
  master.mul_(2.0);
  CHECK(kernels::converted_weight(master, at::kBFloat16)[0][0].item<float>() == 2.0f);
  // Writing past LibTorch needs to be told.
  master.data_ptr<float>()[0] = 5.0f;
  kernels::forget_converted_weights();
  CHECK(kernels::converted_weight(master, at::kBFloat16)[0][0].item<float>() == 5.0f);
  // A write through the flat buffer of which the master is a view counts as a change of it.
  Tensor flat = at::zeros({32});
  Tensor view = flat.narrow(0, 16, 16).view({4, 4});
  CHECK(kernels::converted_weight(view, at::kBFloat16)[0][0].item<float>() == 0.0f);
  flat.add_(3.0);
  CHECK(kernels::converted_weight(view, at::kBFloat16)[0][0].item<float>() == 3.0f);
}

}  // namespace rmkv
