// Gradients of the corrected MicroRWKV against finite differences, replay, and T17: every auxiliary
// loss has a gradient.
#include "core/base/random.h"
#include "core/models/microrwkv/microrwkv_model.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/naive_microrwkv.h"
#include "tests/models/variants.h"

using namespace rmkv;
using variants::difference;
using variants::random_tokens;

namespace {

constexpr uint64_t kSeed = 3;
constexpr int64_t kCount = 18;

std::unique_ptr<MicroRwkvModel> make(Table changes = {}) {
  Table config{{"vocabulary", variants::kVocabulary},
               {"channels", 16},
               {"layers", 2},
               {"heads", 4},
               {"key_heads", 2},
               {"block_tokens", 12},
               {"window", 5},
               {"expert_channels", 10},
               {"auxiliary_weight", 0.5}};
  for (auto& [key, value] : changes) config[key] = value;
  auto model = std::make_unique<MicroRwkvModel>(MicroRwkvConfig::from_table(config), kSeed,
                                                at::kDouble, at::kCPU);
  variants::randomize(model->parameters(), kSeed);
  return model;
}

ForwardOptions padded_options() {
  ForwardOptions options;
  options.valid = at::ones({2, kCount}, at::kBool);
  options.valid[0].narrow(0, 1, 2).fill_(false);
  options.valid[1].narrow(0, 8, 4).fill_(false);
  options.resets = at::zeros({2, 3}, at::kBool);
  options.resets[1][2] = true;
  return options;
}

// Reads every row, every part of the final state and the auxiliary loss.
Tensor loss_of(MicroRwkvModel& model, const Tensor& tokens, const ForwardOptions& options) {
  at::AutoGradMode with_gradients(true);  // there is no auxiliary loss without
  State state = model.initial_state(tokens.size(0));
  Tensor hidden = model.forward(tokens, state, options);
  if (options.valid.defined()) {
    hidden = hidden.masked_fill(options.valid.logical_not().unsqueeze(2), 0.0);
  }
  Tensor loss = model.logits(hidden).sin().sum() + model.take_auxiliary_loss();
  for (const auto& [name, tensor] : state.tensors()) {
    if (tensor.is_floating_point()) loss = loss + tensor.cos().sum();
  }
  return loss;
}

std::map<std::string, Tensor> gradients_of(MicroRwkvModel& model, const Tensor& tokens,
                                           const ForwardOptions& options) {
  model.parameters().zero_gradients();
  loss_of(model, tokens, options).backward();
  std::map<std::string, Tensor> gradients;
  for (const Parameter& parameter : model.parameters().all()) {
    gradients[parameter.name] = parameter.value.grad().clone();
  }
  return gradients;
}

}  // namespace

TEST_CASE("corrected MicroRWKV: gradients equal finite differences, every parameter") {
  // Central differences in fp64: error about step^2 plus 1e-16 / step.  Small enough that no token
  // changes its experts.
  constexpr double kStep = 1e-6;
  for (const int64_t active : {2, 4}) {
    for (const ForwardOptions& options : {ForwardOptions{}, padded_options()}) {
      const auto model = make({{"active", active}});
      const Tensor tokens = random_tokens(2, kCount, kSeed);
      const auto gradients = gradients_of(*model, tokens, options);
      for (const Parameter& parameter : model->parameters().all()) {
        INFO(parameter.name << " active " << active << " padded " << options.valid.defined());
        Tensor direction = at::empty_like(parameter.value);
        RandomStream random(kSeed, "direction " + parameter.name);
        double* data = direction.mutable_data_ptr<double>();
        for (int64_t i = 0; i < direction.numel(); ++i) data[i] = random.normal();
        direction /= direction.norm();
        const auto moved = [&](double by) {
          at::NoGradGuard no_grad;
          parameter.value.add_(direction, by);
          const double loss = loss_of(*model, tokens, options).item<double>();
          parameter.value.sub_(direction, by);
          return loss;
        };
        const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
        const double got = (gradients.at(parameter.name) * direction).sum().item<double>();
        CHECK(got == Approx(expected).epsilon(1e-5).margin(1e-5));
      }
    }
  }
}

TEST_CASE("T17: the load-balance loss is what it says, has a gradient and balances the experts") {
  const auto model = make();
  const Tensor tokens = random_tokens(1, 40, kSeed);
  const Tensor row = tokens[0].contiguous();
  const std::vector<int64_t> ids(row.const_data_ptr<int64_t>(),
                                 row.const_data_ptr<int64_t>() + row.numel());
  // One piece (the naive form has one mean over all positions).
  const auto whole = make({{"block_tokens", 40}});
  State state = whole->initial_state(1);
  whole->forward(tokens, state, {});
  CHECK(whole->take_auxiliary_loss().item<double>() ==
        Approx(0.5 * naive_microrwkv::Model(*whole).balance(ids)).epsilon(1e-10));
  CHECK_FALSE(whole->take_auxiliary_loss().defined());  // given out once

  const auto loss = [&] {
    State fresh = model->initial_state(1);
    model->forward(tokens, fresh, {});
    return model->take_auxiliary_loss();
  };
  model->parameters().zero_gradients();
  loss().backward();
  for (int64_t l = 0; l < 2; ++l) {
    for (const char* part : {"weight", "bias"}) {
      const std::string name = "blocks." + std::to_string(l) + ".moe.gate." + part;
      INFO(name);
      CHECK(model->parameters().get(name).value.grad().abs().max().item<double>() > 1e-6);
    }
  }
  // Two layers, weight 0.5: balanced is 1.  All tokens to the same experts is up to 2 each.
  at::NoGradGuard no_grad;
  for (int64_t l = 0; l < 2; ++l) {
    const Tensor& bias =
        model->parameters().get("blocks." + std::to_string(l) + ".moe.gate.bias").value;
    bias.copy_(at::tensor({4.0, 3.0, 0.0, -2.0}, at::kDouble));
  }
  double first = 0, last = 0;
  for (int step = 0; step < 40; ++step) {
    at::AutoGradMode with_gradients(true);
    model->parameters().zero_gradients();
    const Tensor value = loss();
    value.backward();
    last = value.item<double>();
    if (step == 0) first = last;
    at::NoGradGuard updating;
    for (const Parameter& parameter : model->parameters().all()) {
      if (parameter.name.find("moe.gate.") != std::string::npos) {
        parameter.value.sub_(parameter.value.grad(), 1.0);
      }
    }
  }
  CHECK(first > 1.5);
  CHECK(last - 1 < 0.4 * (first - 1));
}

TEST_CASE("without gradients or as a weight of zero the auxiliary loss asks for nothing") {
  const Tensor tokens = random_tokens(1, 9, kSeed);
  const auto model = make({{"auxiliary_weight", 0.0}});
  State state = model->initial_state(1);
  model->forward(tokens, state, {});
  CHECK(model->take_auxiliary_loss().item<double>() == 0.0);
  CHECK_FALSE(state.has("auxiliary"));
  at::NoGradGuard no_grad;
  model->forward(tokens, state, {});
  CHECK_FALSE(model->take_auxiliary_loss().defined());
}

TEST_CASE("corrected MicroRWKV: replay gives the gradients of keeping everything") {
  const Tensor tokens = random_tokens(2, kCount, kSeed);
  ForwardOptions options = padded_options(), one = options;
  const auto plain = make({{"auxiliary_weight", 0.0}}), model = make();
  const auto check_equal = [](const auto& a, const auto& b) {
    for (const auto& [name, gradient] : a) {
      INFO(name);
      const double size = gradient.abs().max().template item<double>();
      CHECK(difference(gradient, b.at(name)) <= 1e-10 * (1 + size));
    }
  };
  const auto kept = gradients_of(*plain, tokens, options);
  options.replay = true;
  check_equal(kept, gradients_of(*plain, tokens, options));

  // The auxiliary loss alone: replayed, the mean over the segments as they are computed.
  const auto auxiliary_gradients = [&](bool replay) {
    model->parameters().zero_gradients();
    State state = model->initial_state(2);
    Tensor loss;
    if (replay) {
      model->forward(tokens, state, options);
      loss = model->take_auxiliary_loss();
    } else {
      for (int64_t s = 0; s < 3; ++s) {
        one.valid = options.valid.narrow(1, 6 * s, 6);
        one.resets = options.resets.narrow(1, s, 1);
        model->forward(tokens.narrow(1, 6 * s, 6), state, one);
        const Tensor part = model->take_auxiliary_loss() / 3;
        loss = loss.defined() ? loss + part : part;
      }
    }
    loss.backward();
    std::map<std::string, Tensor> gradients;
    for (const Parameter& parameter : model->parameters().all()) {
      gradients[parameter.name] = parameter.value.grad().clone();
    }
    return gradients;
  };
  check_equal(auxiliary_gradients(false), auxiliary_gradients(true));
}
