// Padding, resets, other segment lengths and what a model without memory is: T10, T11, T12.
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 31;

struct Run {
  Tensor hidden;
  State state;
};

Run run(RmkvModel& model, const Tensor& tokens, const ForwardOptions& options) {
  at::NoGradGuard no_grad;
  Run result{{}, model.initial_state(tokens.size(0))};
  result.hidden = model.forward(tokens, result.state, options);
  return result;
}

}  // namespace

TEST_CASE("T11: padding left, right or between changes neither rows nor memory") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    const double tolerance = dtype == at::kDouble ? 1e-10 : 1e-5;
    for (const Variant& variant : all_variants()) {
      INFO(variant.name << " " << dtype_name(dtype));
      const auto model = make_model(variant.config, kSeed, dtype);
      // Segment 1 full, segment 2 with four tokens in three layouts, segment 3 full.
      const Tensor full = random_tokens(1, 3 * kSegment, kSeed);
      const std::vector<std::vector<int64_t>> layouts = {{0, 1, 2, 3}, {2, 3, 4, 5}, {0, 2, 3, 5}};
      Tensor tokens = full.expand({3, -1}).clone();
      ForwardOptions options;
      options.valid = at::ones({3, 3 * kSegment}, at::kBool);
      for (int64_t lane = 0; lane < 3; ++lane) {
        options.valid[lane].narrow(0, kSegment, kSegment).fill_(false);
        for (int64_t i = 0; i < 4; ++i) {
          const int64_t place =
              kSegment + layouts[static_cast<size_t>(lane)][static_cast<size_t>(i)];
          tokens[lane][place] = full[0][kSegment + i];
          options.valid[lane][place] = true;
        }
      }
      const Run result = run(*model, tokens, options);
      const auto kept = [&](int64_t lane) {
        return result.hidden[lane].index({options.valid[lane]});
      };
      for (const int64_t lane : {1, 2}) {
        CHECK(difference(kept(0), kept(lane)) < tolerance);
        CHECK(difference(result.state.lanes(0, 1), result.state.lanes(lane, 1)) < tolerance);
      }
      // What stands in the padding does not matter, to the bit.
      Tensor other = tokens.clone();
      other.index_put_({options.valid.logical_not()}, at::scalar_tensor(5, at::kLong));
      const Run again = run(*model, other, options);
      CHECK(at::equal(again.hidden.index({options.valid}), result.hidden.index({options.valid})));
      CHECK(again.state.equals(result.state));
      CHECK(result.hidden.isfinite().all().item<bool>());
    }
  }
}

TEST_CASE("T11: a segment of nothing but padding leaves its lane's state as it was") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = random_tokens(2, 2 * kSegment, kSeed);
    const Run one = run(*model, tokens.narrow(1, 0, kSegment), {});
    ForwardOptions options;
    options.valid = at::ones({2, 2 * kSegment}, at::kBool);
    options.valid[0].narrow(0, kSegment, kSegment).fill_(false);
    const Run two = run(*model, tokens, options);
    CHECK(difference(two.state.lanes(0, 1), one.state.lanes(0, 1)) < 1e-10);
    CHECK(difference(two.state.lanes(1, 1), one.state.lanes(1, 1)) > 1e-4);
    CHECK(two.hidden.isfinite().all().item<bool>());
    const Run plain = run(*model, tokens, {});
    CHECK(difference(two.hidden[1], plain.hidden[1]) < 1e-10);
  }
}

TEST_CASE("T10: a reset lane is as a fresh one, and its neighbours notice nothing") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    for (const Variant& variant : all_variants()) {
      INFO(variant.name << " " << dtype_name(dtype));
      const auto model = make_model(variant.config, kSeed, dtype);
      const Tensor tokens = random_tokens(3, 3 * kSegment, kSeed);
      ForwardOptions options;
      options.resets = at::zeros({3, 3}, at::kBool);
      options.resets[1][1] = true;
      const Run with = run(*model, tokens, options), without = run(*model, tokens, {});
      const Run fresh = run(*model, tokens.narrow(1, kSegment, 2 * kSegment), {});
      const double tolerance = dtype == at::kDouble ? 1e-10 : 1e-4;
      CHECK(difference(with.hidden[1].narrow(0, kSegment, 2 * kSegment), fresh.hidden[1]) <
            tolerance);
      CHECK(difference(with.state.lanes(1, 1), fresh.state.lanes(1, 1)) < tolerance);
      for (const int64_t lane : {0, 2}) {
        CHECK(difference(with.hidden[lane], without.hidden[lane]) < tolerance);
        CHECK(difference(with.state.lanes(lane, 1), without.state.lanes(lane, 1)) < tolerance);
      }
      CHECK(difference(with.hidden[1].narrow(0, 0, kSegment),
                       without.hidden[1].narrow(0, 0, kSegment)) < tolerance);
    }
  }
}

TEST_CASE("resets and padding agree when a lane resets into padding") {
  const auto model = make_model(small_config({{"store", true}}), kSeed, at::kDouble);
  const Tensor tokens = random_tokens(2, 3 * kSegment, kSeed);
  ForwardOptions options;
  options.valid = at::ones({2, 3 * kSegment}, at::kBool);
  options.valid[0].narrow(0, kSegment, kSegment).fill_(false);
  options.resets = at::zeros({2, 3}, at::kBool);
  options.resets[0][1] = true;
  const Run result = run(*model, tokens, options);
  const Run fresh = run(*model, tokens.narrow(1, 2 * kSegment, kSegment), {});
  CHECK(difference(result.state.lanes(0, 1), fresh.state.lanes(0, 1)) < 1e-10);
  CHECK(difference(result.hidden[0].narrow(0, 2 * kSegment, kSegment), fresh.hidden[0]) < 1e-10);
}

TEST_CASE("another segment length is a model configured with it") {
  for (const int64_t length : {2, 4, 9}) {
    for (const Variant& variant : all_variants()) {
      INFO(variant.name << " length " << length);
      const Value* positions = find(variant.config, "positions");
      if (positions && positions->as_string() == "learned") continue;
      const auto model = make_model(variant.config, kSeed, at::kDouble);
      Table config = variant.config;
      config["segment_tokens"] = length;
      const auto other = make_model(config, kSeed, at::kDouble);
      const Tensor tokens = random_tokens(2, 4 * length, kSeed);
      ForwardOptions options;
      options.segment_tokens = length;
      const Run a = run(*model, tokens, options), b = run(*other, tokens, {});
      CHECK(at::equal(a.hidden, b.hidden));
      CHECK(a.state.equals(b.state));
    }
  }
}

TEST_CASE("T12: a read gate of zero is the model without slots") {
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    INFO(cell);
    RmkvModel gated(RmkvConfig::from_table(small_config({{"zero_read", true}, {"cell", cell}})),
                    kSeed, at::kFloat, at::kCPU);
    RmkvModel plain(RmkvConfig::from_table(small_config({{"slots", 0}})), kSeed, at::kFloat,
                    at::kCPU);
    const Tensor tokens = random_tokens(2, 3 * kSegment, kSeed);
    CHECK(difference(run(gated, tokens, {}).hidden, run(plain, tokens, {}).hidden) < 1e-5);
    // The gate is not stuck there.
    State state = gated.initial_state(2);
    gated.logits(gated.forward(tokens, state, {})).sin().sum().backward();
    CHECK(gated.parameters()
              .get("layers.1.memory.read_gate")
              .value.grad()
              .abs()
              .min()
              .item<double>() > 0);
  }
}

TEST_CASE("blocks that cannot be are refused with what would do") {
  using Catch::Matchers::Contains;
  const auto model = make_model(small_config(), kSeed, at::kFloat);
  State state = model->initial_state(1);
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 7, 1), state, {}),
                    Contains("7 tokens") && Contains("whole segments of 6"));
  CHECK_THROWS_WITH(model->forward(random_tokens(2, 6, 1), state, {}),
                    Contains("rmkv.forward") && Contains("lanes"));
  ForwardOptions options;
  options.valid = at::ones({1, 5}, at::kBool);
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 6, 1), state, options), Contains("valid"));
  options = {};
  options.resets = at::ones({1, 2}, at::kBool);
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 6, 1), state, options), Contains("resets"));
  at::NoGradGuard no_grad;
  model->forward(random_tokens(1, 2, 1), state, {});
  options = {};
  options.segment_tokens = 3;
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 6, 1), state, options),
                    Contains("2 already in the open segment"));
}
