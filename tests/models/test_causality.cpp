// Causality and life of the memory: T1, T2, T3, T7, T18 of memory-architectures.md, section 4.9.
#include "core/base/random.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 11;
constexpr int64_t kCount = 3 * kSegment;

Tensor forward_all(RmkvModel& model, const Tensor& tokens) {
  State state = model.initial_state(tokens.size(0));
  return model.forward(tokens, state, {});
}

// All ids different, so that a row of the embedding's gradient belongs to one position.
Tensor distinct_tokens() {
  return at::arange(kCount, at::kLong).flip(0).unsqueeze(0);
}

}  // namespace

TEST_CASE("T1: a changed token changes nothing before it, exactly") {
  at::NoGradGuard no_grad;
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    for (const Variant& variant : all_variants()) {
      INFO(variant.name << " " << dtype_name(dtype));
      const auto model = make_model(variant.config, kSeed, dtype);
      const Tensor tokens = random_tokens(1, kCount, kSeed);
      const Tensor before = forward_all(*model, tokens);
      for (const int64_t place :
           {int64_t{1}, kSegment - 1, kSegment, kSegment + 3, 2 * kSegment, kCount - 1}) {
        Tensor changed = tokens.clone();
        changed[0][place] = (changed[0][place].item<int64_t>() + 1) % kVocabulary;
        const Tensor after = forward_all(*model, changed);
        CHECK(difference(before.narrow(1, 0, place), after.narrow(1, 0, place)) == 0.0);
        CHECK(difference(before.select(1, place), after.select(1, place)) > 1e-4);
      }
    }
  }
}

TEST_CASE("T2: a row's gradient with respect to later tokens is exactly zero") {
  for (const Variant& variant : all_variants()) {
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = distinct_tokens();
    for (const int64_t place : {int64_t{0}, kSegment - 1, kSegment + 2}) {
      INFO(variant.name << " row " << place);
      model->parameters().zero_gradients();
      forward_all(*model, tokens).select(1, place).square().sum().backward();
      const Tensor rows =
          model->parameters().get("embedding.weight").value.grad().index_select(0, tokens[0]);
      CHECK(rows.narrow(0, place + 1, kCount - place - 1).abs().max().item<double>() == 0.0);
      CHECK(rows[place].abs().max().item<double>() > 0);
    }
  }
}

TEST_CASE(
    "T3: what is read in one segment is felt in the next, without a bridge, at initialisation") {
  at::NoGradGuard no_grad;
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    for (const char* pooling : {"query", "mean"}) {
      INFO(cell << " " << pooling);
      const Table config =
          small_config({{"cell", cell}, {"pooling", pooling}, {"bridge", 0}, {"channels", 32}});
      RmkvModel model(RmkvConfig::from_table(config), kSeed, at::kFloat, at::kCPU);
      const Tensor tokens = random_tokens(1, kCount, kSeed);
      Tensor changed = tokens.clone();
      changed[0][2] = (changed[0][2].item<int64_t>() + 1) % kVocabulary;
      const Tensor a = forward_all(model, tokens), b = forward_all(model, changed);
      CHECK(difference(a.narrow(1, kSegment, kSegment), b.narrow(1, kSegment, kSegment)) > 1e-4);
      CHECK(difference(a.narrow(1, 2 * kSegment, kSegment), b.narrow(1, 2 * kSegment, kSegment)) >
            1e-5);
    }
  }
}

TEST_CASE("T3: without slots, store and bridge segments know nothing of each other") {
  at::NoGradGuard no_grad;
  const auto model = make_model(small_config({{"slots", 0}, {"bridge", 0}}), kSeed, at::kDouble);
  const Tensor tokens = random_tokens(1, kCount, kSeed);
  Tensor changed = tokens.clone();
  changed[0][2] = (changed[0][2].item<int64_t>() + 1) % kVocabulary;
  const Tensor a = forward_all(*model, tokens), b = forward_all(*model, changed);
  CHECK(difference(a.narrow(1, kSegment, kSegment), b.narrow(1, kSegment, kSegment)) == 0.0);
}

TEST_CASE("T7: detaching cuts the gradient to older segments exactly, and not detaching does not") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = distinct_tokens();
    const Tensor older = tokens.narrow(1, 0, kSegment),
                 newer = tokens.narrow(1, kSegment, kSegment);
    for (const bool cut : {true, false}) {
      model->parameters().zero_gradients();
      State state = model->initial_state(1);
      model->forward(older, state, {});
      if (cut) state.detach();
      model->forward(newer, state, {}).square().sum().backward();
      const Tensor rows =
          model->parameters().get("embedding.weight").value.grad().index_select(0, older[0]);
      const double reached = rows.abs().max().item<double>();
      if (cut) {
        CHECK(reached == 0.0);
      } else {
        CHECK(reached > 0);
      }
    }
  }
}

TEST_CASE("T18: slots differ in what they hold and in their gradients") {
  for (const char* pooling : {"query", "mean"}) {
    INFO(pooling);
    const Table config = small_config({{"pooling", pooling}, {"channels", 32}});
    RmkvModel model(RmkvConfig::from_table(config), kSeed, at::kDouble, at::kCPU);
    // Equal initial slots and equal gate biases: only identities (and queries) are left to tell
    // slots apart.
    {
      at::NoGradGuard no_grad;
      for (const Parameter& parameter : model.parameters().all()) {
        if (parameter.name.find("memory.initial") != std::string::npos ||
            parameter.name.find("keep_bias") != std::string::npos) {
          parameter.value.copy_(parameter.value[0].clone().expand_as(parameter.value));
        }
      }
    }
    State state = model.initial_state(1);
    model.forward(random_tokens(1, kCount, kSeed), state, {}).square().sum().backward();
    const Tensor memory = state.get("memory.1")[0];
    CHECK(difference(memory[0], memory[1]) > 1e-6);
    const Tensor gradient = model.parameters().get("layers.1.memory.slot_id").value.grad();
    CHECK(difference(gradient[0], gradient[1]) > 1e-9);
  }
}
