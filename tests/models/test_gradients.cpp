// Gradients of the whole model: against finite differences, and segment replay against keeping
// everything (T8).
#include "core/base/random.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 5;
constexpr int64_t kCount = 3 * kSegment;

ForwardOptions padded_options() {
  ForwardOptions options;
  options.valid = at::ones({2, kCount}, at::kBool);
  options.valid[0].narrow(0, 0, 2).fill_(false);
  options.valid[1].narrow(0, kSegment + 2, 4).fill_(false);
  options.resets = at::zeros({2, 3}, at::kBool);
  options.resets[1][2] = true;
  return options;
}

// A loss that reads every row and every part of the final state.
Tensor loss_of(RmkvModel& model, const Tensor& tokens, const ForwardOptions& options) {
  State state = model.initial_state(tokens.size(0));
  Tensor hidden = model.forward(tokens, state, options);
  if (options.valid.defined())
    hidden = hidden.masked_fill(options.valid.logical_not().unsqueeze(2), 0.0);
  Tensor loss = model.logits(hidden).sin().sum();
  for (const auto& [name, tensor] : state.tensors()) {
    if (tensor.is_floating_point()) loss = loss + tensor.cos().sum();
  }
  return loss;
}

std::map<std::string, Tensor> gradients_of(RmkvModel& model, const Tensor& tokens,
                                           const ForwardOptions& options) {
  model.parameters().zero_gradients();
  loss_of(model, tokens, options).backward();
  std::map<std::string, Tensor> gradients;
  for (const Parameter& parameter : model.parameters().all())
    gradients[parameter.name] = parameter.value.grad().clone();
  return gradients;
}

}  // namespace

TEST_CASE("gradients equal finite differences, every parameter of every variant") {
  // Central differences in fp64: error about step^2 plus 1e-16 / step.
  constexpr double kStep = 1e-5;
  for (const Variant& variant : all_variants()) {
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = random_tokens(2, kCount, kSeed);
    const ForwardOptions options = padded_options();
    const auto gradients = gradients_of(*model, tokens, options);
    at::NoGradGuard no_grad;
    for (const Parameter& parameter : model->parameters().all()) {
      INFO(variant.name << " " << parameter.name);
      Tensor direction = at::empty_like(parameter.value);
      RandomStream random(kSeed, "direction " + parameter.name);
      double* data = direction.mutable_data_ptr<double>();
      for (int64_t i = 0; i < direction.numel(); ++i) data[i] = random.normal();
      direction /= direction.norm();
      parameter.value.add_(direction, kStep);
      const double above = loss_of(*model, tokens, options).item<double>();
      parameter.value.sub_(direction, 2 * kStep);
      const double below = loss_of(*model, tokens, options).item<double>();
      parameter.value.add_(direction, kStep);
      const double got = (gradients.at(parameter.name) * direction).sum().item<double>();
      CHECK(got == Approx((above - below) / (2 * kStep)).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("T8: segment replay gives the gradients of keeping everything") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    for (const Variant& variant : all_variants()) {
      INFO(variant.name << " " << dtype_name(dtype));
      const auto model = make_model(variant.config, kSeed, dtype);
      const Tensor tokens = random_tokens(2, kCount, kSeed);
      for (ForwardOptions options : {ForwardOptions{}, padded_options()}) {
        const auto full = gradients_of(*model, tokens, options);
        options.replay = true;
        const auto replayed = gradients_of(*model, tokens, options);
        // fp64 proves every parameter; in fp32, where a bias sums cancelling terms in another
        // order, the gradient counts as one vector.
        double squares = 0, missed = 0;
        for (const auto& [name, gradient] : full) {
          INFO(name);
          const Tensor error = (gradient - replayed.at(name)).to(at::kDouble);
          squares += gradient.to(at::kDouble).square().sum().item<double>();
          missed += error.square().sum().item<double>();
          if (dtype == at::kDouble)
            CHECK(error.abs().max().item<double>() <=
                  1e-10 * (1 + gradient.abs().max().item<double>()));
        }
        CHECK(squares > 0);
        CHECK(std::sqrt(missed) <= (dtype == at::kDouble ? 1e-10 : 1e-5) * std::sqrt(squares));
      }
    }
  }
}

TEST_CASE(
    "T8: replay passes gradients on through the state it was given and the state it returns") {
  const auto model = make_model(small_config(), kSeed, at::kDouble);
  const Tensor tokens = random_tokens(2, 2 * kSegment, kSeed);
  std::map<bool, Tensor> gradients;
  for (const bool replay : {false, true}) {
    model->parameters().zero_gradients();
    ForwardOptions options;
    options.replay = replay;
    State state = model->initial_state(2);
    model->forward(tokens.narrow(1, 0, kSegment), state, options);
    model->forward(tokens.narrow(1, kSegment, kSegment), state, options).square().sum().backward();
    gradients[replay] = model->parameters().get("layers.1.memory.initial").value.grad().clone();
  }
  CHECK(gradients[false].abs().max().item<double>() > 0);
  CHECK(difference(gradients[false], gradients[true]) < 1e-10);
}
