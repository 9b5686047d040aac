// Comparing an operation with its reference form: values and gradients, by finite differences in
// fp64 and against the reference in fp64 for the fused fp32 and bf16 forms.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/tensor/torch.h"
#include "tests/catch.h"

namespace rmkv {

using Operation = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

inline Tensor random_tensor(const std::vector<int64_t>& shape, uint64_t seed,
                            double deviation = 1.0) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble)) * deviation;
}

// Inputs as leaves with gradients, results, and the gradients of sum(result * weight) with fixed
// random weights.
struct Evaluation {
  std::vector<Tensor> results, gradients;
};

inline Evaluation evaluate(const Operation& operation, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    Tensor leaf = input.detach().clone();
    if (leaf.is_floating_point()) {
      leaf.requires_grad_();
    }
    leaves.push_back(leaf);
  }
  Evaluation evaluation;
  Tensor total = at::zeros({}, at::kDouble);
  uint64_t seed = 1000;
  for (const Tensor& result : operation(leaves)) {
    if (!result.defined()) {
      continue;
    }
    evaluation.results.push_back(result.detach());
    total = total + (result.to(at::kDouble) * random_tensor(result.sizes().vec(), ++seed)).sum();
  }
  total.backward();
  for (const Tensor& leaf : leaves) {
    evaluation.gradients.push_back(leaf.grad());
  }
  return evaluation;
}

// Largest |a - b| over the largest |b|.
inline double relative_difference(const Tensor& a, const Tensor& b) {
  const double size = b.to(at::kDouble).abs().max().item<double>();
  const double difference = (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
  return difference / std::max(size, 1e-30);
}

// Runs `operation` in fp64 (the reference) and in `dtypes` (one per input; the fused form) from the
// same rounded inputs, and requires results and gradients to agree within `tolerance` of the
// largest element.
inline void check_against_double(const Operation& operation, const std::vector<Tensor>& inputs,
                                 const std::vector<at::ScalarType>& dtypes, double tolerance) {
  std::vector<Tensor> low, high;
  for (size_t i = 0; i < inputs.size(); ++i) {
    low.push_back(inputs[i].is_floating_point() ? inputs[i].to(dtypes[i]) : inputs[i]);
    high.push_back(inputs[i].is_floating_point() ? low[i].to(at::kDouble) : inputs[i]);
  }
  const Evaluation fused = evaluate(operation, low), exact = evaluate(operation, high);
  REQUIRE(fused.results.size() == exact.results.size());
  for (size_t i = 0; i < fused.results.size(); ++i) {
    INFO("result " << i << " " << tensor_text(fused.results[i]));
    REQUIRE(fused.results[i].sizes() == exact.results[i].sizes());
    CHECK(relative_difference(fused.results[i], exact.results[i]) < tolerance);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!exact.gradients[i].defined()) {
      continue;
    }
    INFO("gradient " << i << " " << tensor_text(low[i]));
    REQUIRE(fused.gradients[i].defined());
    CHECK(fused.gradients[i].scalar_type() == low[i].scalar_type());
    CHECK(relative_difference(fused.gradients[i], exact.gradients[i]) < tolerance);
  }
}

// Central differences of the fp64 form: every element of every input.
inline void check_finite_differences(const Operation& operation, const std::vector<Tensor>& inputs,
                                     double tolerance = 1e-7) {
  const Evaluation evaluation = evaluate(operation, inputs);
  at::NoGradGuard no_grad;
  const auto weighted = [&](const std::vector<Tensor>& values) {
    double total = 0.0;
    uint64_t seed = 1000;
    for (const Tensor& result : operation(values)) {
      if (result.defined()) {
        total += (result * random_tensor(result.sizes().vec(), ++seed)).sum().item<double>();
      }
    }
    return total;
  };
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].is_floating_point()) {
      continue;
    }
    INFO("input " << i << " " << tensor_text(inputs[i]));
    std::vector<Tensor> moved = inputs;
    Tensor expected = at::empty_like(inputs[i]);
    for (int64_t n = 0; n < inputs[i].numel(); ++n) {
      double sides[2];
      for (const int side : {0, 1}) {
        moved[i] = inputs[i].clone();
        moved[i].view(-1)[n] += side == 0 ? kStep : -kStep;
        sides[side] = weighted(moved);
      }
      expected.view(-1)[n] = (sides[0] - sides[1]) / (2.0 * kStep);
    }
    REQUIRE(evaluation.gradients[i].defined());
    CHECK(relative_difference(evaluation.gradients[i], expected) < tolerance);
  }
}

// The same bits for the same inputs, results and gradients.
inline void check_repeats(const Operation& operation, const std::vector<Tensor>& inputs) {
  const Evaluation first = evaluate(operation, inputs), second = evaluate(operation, inputs);
  for (size_t i = 0; i < first.results.size(); ++i) {
    CHECK(at::equal(first.results[i], second.results[i]));
  }
  for (size_t i = 0; i < first.gradients.size(); ++i) {
    if (first.gradients[i].defined()) {
      CHECK(at::equal(first.gradients[i], second.gradients[i]));
    }
  }
}

}  // namespace rmkv
