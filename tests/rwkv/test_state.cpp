// The state as a value: read, written, copied, zeroed, tuned, and as the flat vector of rwkv.cpp,
// all bit for bit.  Source of layout and sizes: rwkv-family.md, section 1.6.
#include "core/models/rwkv/rwkv_state.h"

#include "tests/catch.h"
#include "tests/random_tokens.h"
#include "tests/rwkv/synthetic.h"

using namespace rmkv;
using test::random_tokens;

namespace {

constexpr int64_t kVocabulary = 48;

// Advances `state` token by token, so that products have one shape.
Tensor run(RwkvModel& model, const Tensor& tokens, State& state) {
  at::NoGradGuard no_grad;
  std::vector<Tensor> rows;
  for (int64_t t = 0; t < tokens.size(1); ++t) {
    rows.push_back(model.forward(tokens.narrow(1, t, 1), state, {}));
  }
  return at::cat(rows, 1);
}

}  // namespace

TEST_CASE("a flat state has rwkv.cpp's order and size") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    State state = model->initial_state(2);
    run(*model, random_tokens(kVocabulary, 2, 9, 1), state);
    const Tensor flat = rwkv_flat_state(state);
    CHECK(flat.size(0) == 2);
    CHECK(flat.size(1) == golden.state_floats);
    const int64_t D = model->facts().channels, per_layer = flat.size(1) / model->facts().layers;
    for (int64_t layer = 0; layer < model->facts().layers; ++layer) {
      for (int64_t lane = 0; lane < 2; ++lane) {
        const Tensor row = flat[lane].narrow(0, layer * per_layer, per_layer);
        const auto part = [&](const char* name) {
          return state.get(rwkv_block_name(layer, name))[lane].reshape({-1});
        };
        CHECK(at::equal(row.narrow(0, 0, D), part("ffn.shift")));
        CHECK(at::equal(row.narrow(0, D, D), part("att.shift")));
        CHECK(at::equal(row.narrow(0, 2 * D, per_layer - 2 * D), part("att.state")));
      }
    }
  }
}

TEST_CASE("a flat state taken after any token goes on with the same bits") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor tokens = random_tokens(kVocabulary, 2, 10, 2);
    State whole = model->initial_state(2);
    const Tensor rows = run(*model, tokens, whole);
    for (const int64_t at : {0, 1, 5}) {
      State before = model->initial_state(2), after = model->initial_state(2);
      if (at > 0) run(*model, tokens.narrow(1, 0, at), before);
      const Tensor flat = rwkv_flat_state(before);
      set_rwkv_flat_state(after, flat);
      CHECK(after.equals(before));
      CHECK(at::equal(run(*model, tokens.narrow(1, at, 10 - at), after),
                      rows.narrow(1, at, 10 - at)));
      CHECK(after.equals(whole));
      CHECK(at::equal(rwkv_flat_state(before), flat));  // going on left the taken one alone
    }
  }
}

TEST_CASE("a flat state of another size or model is refused") {
  const auto& golden = synthetic::goldens().back();
  const auto model = synthetic::make_model(golden.config, at::kFloat);
  State state = model->initial_state(1), other;
  const Tensor flat = rwkv_flat_state(state);
  CHECK_THROWS_WITH(set_rwkv_flat_state(state, flat.narrow(1, 1, flat.size(1) - 1)),
                    Catch::Matchers::Contains("set_rwkv_flat_state"));
  CHECK_THROWS(set_rwkv_flat_state(state, at::cat({flat, flat})));
  other.set("memory.0", at::zeros({1, 4}));
  CHECK_THROWS_WITH(rwkv_flat_state(other), Catch::Matchers::Contains("RWKV"));
  CHECK(state.equals(model->initial_state(1)));
}

TEST_CASE("copies of a state part when one of them goes on; its tensors can be replaced") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor tokens = random_tokens(kVocabulary, 1, 6, 3);
    State state = model->initial_state(1);
    run(*model, tokens, state);
    State fork = state;
    const Tensor kept = rwkv_flat_state(state);
    const Tensor first = run(*model, tokens, fork);
    CHECK(at::equal(rwkv_flat_state(state), kept));
    State rebuilt = model->initial_state(1);
    for (const auto& [name, tensor] : state.tensors()) rebuilt.set(name, tensor.clone());
    CHECK(rebuilt.equals(state));
    CHECK(at::equal(run(*model, tokens, rebuilt), first));
  }
}

TEST_CASE("a zeroed memory is an empty one") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor tokens = random_tokens(kVocabulary, 1, 6, 4);
    State zeroed = model->initial_state(1), fresh = zeroed;
    run(*model, tokens, zeroed);
    const State read = zeroed;
    for (const auto& [name, tensor] : read.tensors()) {
      zeroed.set(name, at::zeros_like(tensor));
    }
    // Version 4's empty exponent is -1e30, but with nothing summed any exponent means nothing.
    const Tensor expected = run(*model, tokens, fresh);
    CHECK((run(*model, tokens, zeroed) - expected).abs().max().item<double>() < 1e-5);
  }
}
