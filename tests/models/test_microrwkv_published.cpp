// The published MicroRWKV block: what it computes, and the two faults that the corrected one mends.
//
// Golden values: rwkv-family.md, section 2 (an emulation in plain Python, repeated here with other
// code before use; upstream has no weights).  The model's weights are closed formulas of the place.
#include <cmath>

#include "core/kernels/loss.h"
#include "core/models/microrwkv/microrwkv_model.h"
#include "core/models/microrwkv/published.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using variants::difference;

namespace {

// A matrix of number p: (2 / sqrt(columns)) sin((j + 1) (0.37 + 0.013 p)); biases 0.1 sin(same).
void fill_golden(MicroRwkvModel& model) {
  at::NoGradGuard no_grad;
  int64_t number = 0;
  const auto fill = [&](const std::string& name) {
    const Tensor& value = model.parameters().get(name).value;
    const double rate = 0.37 + 0.013 * static_cast<double>(number++);
    const double scale =
        value.dim() == 2 ? 2.0 / std::sqrt(static_cast<double>(value.size(1))) : 0.1;
    const Tensor places = at::arange(1, value.numel() + 1, at::kDouble);
    value.copy_((at::sin(places * rate) * scale).view(value.sizes()));
  };
  fill("wte.weight");
  fill("wpe.weight");
  for (int64_t l = 0; l < model.options().layers; ++l) {
    const std::string at = "blocks." + std::to_string(l) + ".";
    for (const char* name :
         {"tmix.receptance", "tmix.key", "tmix.value", "tmix.gate", "tmix.output", "gqa.qkvw",
          "gqa.proj", "cmix.key", "cmix.value", "cmix.receptance", "swa.qkv", "swa.proj"}) {
      fill(at + name + ".weight");
    }
    fill(at + "moe.gate.weight");
    fill(at + "moe.gate.bias");
    for (int64_t e = 0; e < model.options().experts; ++e) {
      fill(at + "moe.experts." + std::to_string(e) + ".weight");
      fill(at + "moe.experts." + std::to_string(e) + ".bias");
    }
    fill(at + "moe.fc.weight");
    fill(at + "moe.fc.bias");
  }
  model.parameters().mark_changed();
}

std::unique_ptr<MicroRwkvModel> golden_model(at::ScalarType dtype, const char* mode = "published") {
  const Table config{{"mode", mode},
                     {"vocabulary", 16},
                     {"channels", 32},
                     {"layers", 2},
                     {"heads", 2},
                     {"block_tokens", 16},
                     {"experts", 4},
                     {"expert_channels", 8},
                     {"window", std::string(mode) == "published" ? 256 : 16}};
  auto model =
      std::make_unique<MicroRwkvModel>(MicroRwkvConfig::from_table(config), 1, dtype, at::kCPU);
  fill_golden(*model);
  return model;
}

Tensor ids_of(const std::vector<std::vector<int64_t>>& rows) {
  std::vector<Tensor> lanes;
  for (const auto& row : rows) lanes.push_back(at::tensor(row, at::kLong));
  return at::stack(lanes);
}

Tensor logits_of(MicroRwkvModel& model, const Tensor& ids) {
  at::NoGradGuard no_grad;
  State state = model.initial_state(ids.size(0));
  return model.logits(model.forward(ids, state, {}));
}

void check_row(const Tensor& row, const std::vector<double>& expected, double tolerance) {
  CHECK(difference(row.narrow(0, 0, 4), at::tensor(expected, at::kDouble)) < tolerance);
}

const std::vector<int64_t> kFirst = {1, 2, 3, 4, 5, 6}, kSecond = {7, 8, 9, 10, 11, 12};

}  // namespace

TEST_CASE("published MicroRWKV gives the golden logits") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    INFO(dtype_name(dtype));
    const double tolerance = dtype == at::kDouble ? 1e-6 : 2e-5;
    const auto model = golden_model(dtype);
    const auto sums = [&](const Tensor& logits, double sum, double norm) {
      CHECK(logits.to(at::kDouble).sum().item<double>() ==
            Approx(sum).margin(1e-3 * (dtype == at::kFloat) + 1e-6));
      CHECK(logits.to(at::kDouble).norm().item<double>() == Approx(norm).margin(10 * tolerance));
    };
    const Tensor one = logits_of(*model, ids_of({{1}}));
    sums(one, -3.073838, 9.988721);
    check_row(one[0][0], {3.521680, 2.598665, 0.363791, -2.054732}, tolerance);
    CHECK(one[0][0].argmax().item<int64_t>() == 0);
    const Tensor six = logits_of(*model, ids_of({kFirst}));
    sums(six, -0.111185, 9.444639);
    check_row(six[0][0], {2.952202, 2.296261, 0.481120, -1.576899}, tolerance);
    check_row(six[0][5], {-0.259963, -0.081502, 0.138104, 0.287991}, tolerance);
    CHECK(six[0][5].argmax().item<int64_t>() == 12);
    const Tensor two = logits_of(*model, ids_of({kFirst, kSecond}));
    sums(two, -20.864236, 23.556063);
    check_row(two[0][0], {2.943982, 2.291200, 0.481774, -1.570862}, tolerance);
    check_row(two[1][5], {1.690013, 1.526246, 0.591999, -0.641101}, tolerance);
    CHECK(two[1][5].argmax().item<int64_t>() == 9);
  }
}

TEST_CASE("published MicroRWKV: cross-entropy and the auxiliary losses that it drops") {
  at::NoGradGuard no_grad;
  const auto model = golden_model(at::kDouble);
  const PublishedResult result =
      published_window(model->options(), model->weights(), ids_of({kFirst}), at::kDouble);
  const Tensor losses = kernels::head_losses(result.hidden[0], model->head_weight(),
                                             at::tensor({2, 3, 4, 5, 6, 7}, at::kLong));
  CHECK(losses.mean().item<double>() == Approx(3.1147043).margin(1e-7));
  REQUIRE(result.auxiliary.size() == 2);
  CHECK(result.auxiliary[0].item<double>() == Approx(0.000573290).margin(1e-9));
  CHECK(result.auxiliary[1].item<double>() == Approx(0.004518366).margin(1e-9));
  at::AutoGradMode with_gradients(true);
  State state = model->initial_state(1);
  model->forward(ids_of({kFirst}), state, {});
  CHECK_FALSE(model->take_auxiliary_loss().defined());
}

TEST_CASE("published MicroRWKV leaks the future and mixes samples; corrected does neither") {
  for (const char* mode : {"published", "corrected"}) {
    INFO(mode);
    const bool published = std::string(mode) == "published";
    const auto model = golden_model(at::kDouble, mode);
    const Tensor before = logits_of(*model, ids_of({kFirst}));
    const Tensor after = logits_of(*model, ids_of({{1, 2, 3, 4, 5, 9}}));
    const Tensor leaks = (before - after).abs().amax({0, 2}).narrow(0, 0, 5);
    const Tensor alone = logits_of(*model, ids_of({kFirst, kFirst})).narrow(0, 0, 1),
                 beside = logits_of(*model, ids_of({kFirst, kSecond})).narrow(0, 0, 1);
    if (published) {
      CHECK(leaks.min().item<double>() == Approx(0.12).margin(0.01));
      CHECK(leaks.max().item<double>() == Approx(0.67).margin(0.01));
      CHECK(difference(before, beside) == Approx(2.8).margin(0.05));
    } else {
      CHECK(leaks.max().item<double>() == 0.0);
      CHECK(difference(alone, beside) == 0.0);
      CHECK(difference(before, beside) < 1e-12);  // another shape of product may round differently
    }
    CHECK(model->facts().warning.empty() == !published);
  }
}

TEST_CASE("published MicroRWKV generates by computing its window again") {
  at::NoGradGuard no_grad;
  const auto model = golden_model(at::kDouble);
  CHECK_FALSE(model->facts().any_split);
  const Tensor ids = variants::random_tokens(1, 21, 4).remainder(16);
  State state = model->initial_state(1);
  for (int64_t t = 0; t < 21; ++t) {
    const Tensor row = model->forward(ids.narrow(1, t, 1), state, {});
    const int64_t begin = std::max<int64_t>(0, t - 15);
    State fresh = model->initial_state(1);
    const Tensor window = model->forward(ids.narrow(1, begin, t + 1 - begin), fresh, {});
    CHECK(difference(row.select(1, 0), window.select(1, t - begin)) < 1e-12);
  }
}

TEST_CASE("published MicroRWKV trains, each segment a window of its own") {
  const auto model = golden_model(at::kDouble);
  const Tensor ids = variants::random_tokens(2, 12, 5).remainder(16);
  ForwardOptions options;
  options.resets = at::zeros({2, 2}, at::kBool);
  State state = model->initial_state(2), other = model->initial_state(2);
  const Tensor hidden = model->forward(ids, state, options);
  const Tensor second = model->forward(ids.narrow(1, 6, 6), other, {});
  CHECK(difference(hidden.narrow(1, 6, 6), second) < 1e-12);
  model->logits(hidden).sin().sum().backward();
  for (const Parameter& parameter : model->parameters().all()) {
    INFO(parameter.name);
    CHECK(parameter.value.grad().abs().max().item<double>() > 0);
  }
}

TEST_CASE("published MicroRWKV has the published number of parameters") {
  MicroRwkvConfig config = MicroRwkvConfig::from_table({{"mode", "published"}});
  CHECK(microrwkv_parameter_count(config) == 157472864);
  config.layers = 7;
  CHECK(157472864 - microrwkv_parameter_count(config) == 14756524);
}
