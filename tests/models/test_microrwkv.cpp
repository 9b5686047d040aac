// The corrected MicroRWKV: against sums over the past, parallel = recurrent = any split, causality,
// batch isolation, padding, resets, gradients and the auxiliary loss.
#include "core/base/random.h"
#include "core/kernels/product.h"
#include "core/models/microrwkv/corrected.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/naive_microrwkv.h"
#include "tests/models/variants.h"

using namespace rmkv;
using variants::difference;
using variants::random_tokens;
using variants::run_in_pieces;

namespace {

constexpr uint64_t kSeed = 11;

Table small(Table changes = {}) {
  Table config{{"architecture", "microrwkv"},
               {"vocabulary", variants::kVocabulary},
               {"channels", 16},
               {"layers", 2},
               {"heads", 4},
               {"key_heads", 2},
               {"block_tokens", 12},
               {"window", 5},
               {"expert_channels", 10}};
  for (auto& [key, value] : changes) config[key] = value;
  return config;
}

// Shapes that reach every branch: heads, groups, windows, experts, chunks of the time mix.
std::vector<std::pair<std::string, Table>> shapes() {
  return {{"default", small()},
          {"one key head", small({{"key_heads", 1}})},
          {"as many key heads", small({{"key_heads", 4}})},
          {"window of one", small({{"window", 1}})},
          {"window as the block", small({{"window", 12}})},
          {"one expert of four", small({{"active", 1}})},
          {"all experts", small({{"active", 4}})},
          {"a single head and layer", small({{"heads", 1}, {"key_heads", 1}, {"layers", 1}})},
          {"block longer than a chunk", small({{"block_tokens", 80}, {"window", 20}})}};
}

std::unique_ptr<MicroRwkvModel> make(const Table& config, at::ScalarType dtype) {
  auto model =
      std::make_unique<MicroRwkvModel>(MicroRwkvConfig::from_table(config), kSeed, dtype, at::kCPU);
  variants::randomize(model->parameters(), kSeed);
  return model;
}

struct Run {
  Tensor hidden;
  State state;
};
Run run(MicroRwkvModel& model, const Tensor& tokens, const ForwardOptions& options = {}) {
  at::NoGradGuard no_grad;
  Run result{{}, model.initial_state(tokens.size(0))};
  result.hidden = model.forward(tokens, result.state, options);
  return result;
}

std::vector<int64_t> ids_of(const Tensor& lane) {
  const Tensor row = lane.contiguous();
  return {row.const_data_ptr<int64_t>(), row.const_data_ptr<int64_t>() + row.numel()};
}

}  // namespace

TEST_CASE("corrected MicroRWKV equals the sums over the past") {
  for (const auto& [name, config] : shapes()) {
    INFO(name);
    const auto model = make(config, at::kDouble);
    const naive_microrwkv::Model naive(*model);
    const Tensor tokens = random_tokens(2, name == "block longer than a chunk" ? 90 : 31, kSeed);
    const Tensor logits = model->logits(run(*model, tokens).hidden);
    for (int64_t lane = 0; lane < 2; ++lane) {
      CHECK(difference(logits[lane], naive.logits(ids_of(tokens[lane]))) < 1e-10);
    }
  }
}

TEST_CASE("corrected MicroRWKV: parallel, recurrent and any split agree, far beyond the block") {
  for (const auto& [name, config] : shapes()) {
    for (const auto dtype : {at::kDouble, at::kFloat}) {
      INFO(name << " " << dtype_name(dtype));
      const double tolerance = dtype == at::kDouble ? 1e-10 : 2e-5;
      const auto model = make(config, dtype);
      const int64_t count = name == "block longer than a chunk" ? 100 : 50;
      const Tensor tokens = random_tokens(2, count, kSeed);
      const Run whole = run(*model, tokens);
      const Tensor expected = model->logits(whole.hidden);
      for (const std::vector<int64_t>& pieces :
           {std::vector<int64_t>{1}, {7}, {34, 1, 1, 64}, {3, 1, 30, 2, 1, 4}}) {
        State state = model->initial_state(2);
        const Tensor hidden = run_in_pieces(*model, tokens, state, pieces, dtype);
        CHECK(difference(model->logits(hidden), expected) < tolerance);
        for (const auto& [part, tensor] : whole.state.tensors()) {
          INFO(part);
          const double size = std::max(1.0, tensor.abs().max().to(at::kDouble).item<double>());
          CHECK(difference(state.get(part), tensor) < tolerance * size);
        }
      }
    }
  }
}

TEST_CASE("corrected MicroRWKV: in deterministic mode any split is the same bits") {
  struct Deterministic {
    Deterministic() { kernels::set_row_invariant(true); }
    ~Deterministic() { kernels::set_row_invariant(false); }
  } mode;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    INFO(dtype_name(dtype));
    const auto model = make(small(), at::kFloat);
    const Tensor tokens = random_tokens(2, 40, kSeed);
    State whole = model->initial_state(2);
    const Tensor expected = run_in_pieces(*model, tokens, whole, {40}, dtype);
    for (const std::vector<int64_t>& pieces : {std::vector<int64_t>{1}, {7}, {3, 1, 20, 2}}) {
      State state = model->initial_state(2);
      CHECK(at::equal(run_in_pieces(*model, tokens, state, pieces, dtype), expected));
      CHECK(state.equals(whole));
    }
  }
}

TEST_CASE("corrected MicroRWKV: bf16 stays near fp32") {
  const auto model = make(small(), at::kFloat);
  const Tensor tokens = random_tokens(2, 40, kSeed);
  ForwardOptions options;
  options.compute_dtype = at::kBFloat16;
  const Run narrow = run(*model, tokens, options), wide = run(*model, tokens);
  CHECK(narrow.hidden.scalar_type() == at::kBFloat16);
  const Tensor error = (narrow.hidden.to(at::kFloat) - wide.hidden).square().mean().sqrt();
  CHECK(error.item<double>() < 0.1 * wide.hidden.square().mean().sqrt().item<double>());
  State state = model->initial_state(2);
  const Tensor steps = run_in_pieces(*model, tokens, state, {1}, at::kBFloat16);
  const Tensor gap = (steps.to(at::kFloat) - wide.hidden).square().mean().sqrt();
  CHECK(gap.item<double>() < 0.1 * wide.hidden.square().mean().sqrt().item<double>());
}

TEST_CASE("corrected MicroRWKV: nothing of the future reaches the past, in values and gradients") {
  for (const auto& [name, config] : shapes()) {
    for (const auto dtype : {at::kDouble, at::kFloat}) {
      INFO(name << " " << dtype_name(dtype));
      const auto model = make(config, dtype);
      const Tensor tokens = random_tokens(2, 30, kSeed);
      const Run before = run(*model, tokens);
      for (const int64_t changed : {1, 6, 17, 29}) {
        Tensor other = tokens.clone();
        other.narrow(1, changed, 30 - changed).add_(1).remainder_(variants::kVocabulary);
        const Run after = run(*model, other);
        CHECK(at::equal(before.hidden.narrow(1, 0, changed), after.hidden.narrow(1, 0, changed)));
        CHECK(difference(before.hidden.select(1, changed), after.hidden.select(1, changed)) > 1e-3);
      }
    }
  }
  // Gradients: the loss of the first rows knows nothing of the embeddings of later tokens.
  const auto model = make(small(), at::kDouble);
  const Tensor tokens = at::arange(12, at::kLong).unsqueeze(0);
  for (const int64_t rows : {1, 4, 11}) {
    model->parameters().zero_gradients();
    State state = model->initial_state(1);
    model->forward(tokens, state, {}).narrow(1, 0, rows).sin().sum().backward();
    const Tensor of_tokens = model->parameters().get("wte.weight").value.grad(),
                 of_places = model->parameters().get("wpe.weight").value.grad();
    CHECK(of_tokens.narrow(0, rows, 12 - rows).abs().max().item<double>() == 0.0);
    CHECK(of_places.narrow(0, rows, 12 - rows).abs().max().item<double>() == 0.0);
    CHECK(of_tokens.narrow(0, 0, rows).abs().amax(1).min().item<double>() > 0);
  }
}

TEST_CASE("corrected MicroRWKV: lanes do not know of each other") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    const auto model = make(small(), dtype);
    const Tensor tokens = random_tokens(3, 30, kSeed);
    Tensor other = tokens.clone();
    other[2].add_(5).remainder_(variants::kVocabulary);
    const Run one = run(*model, tokens), two = run(*model, other);
    CHECK(at::equal(one.hidden.narrow(0, 0, 2), two.hidden.narrow(0, 0, 2)));
    CHECK(one.state.lanes(0, 2).equals(two.state.lanes(0, 2)));
    CHECK(difference(one.hidden[2], two.hidden[2]) > 1e-3);
    const Run alone = run(*model, tokens.narrow(0, 1, 1));
    CHECK(difference(alone.hidden[0], one.hidden[1]) < (dtype == at::kDouble ? 1e-12 : 1e-5));
  }
}

TEST_CASE("corrected MicroRWKV: padding is as if it were not there") {
  const auto model = make(small(), at::kDouble);
  for (uint64_t seed = 0; seed < 4; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "padding");
    const Tensor tokens = random_tokens(2, 30, seed);
    ForwardOptions options;
    options.valid = at::ones({2, 30}, at::kBool);
    for (int64_t i = 0; i < 60; ++i) {
      if (random.below(3) == 0) options.valid[i / 30][i % 30].fill_(false);
    }
    if (seed == 3) options.valid[1].fill_(false);
    const Run padded = run(*model, tokens, options);
    for (int64_t lane = 0; lane < 2; ++lane) {
      const Tensor kept = tokens[lane].masked_select(options.valid[lane]);
      if (kept.numel() == 0) {
        CHECK(difference(padded.state.lanes(lane, 1), model->initial_state(1)) == 0);
        continue;
      }
      const Run plain = run(*model, kept.unsqueeze(0));
      const Tensor rows = padded.hidden[lane].index({options.valid[lane]});
      CHECK(difference(rows, plain.hidden[0]) < 1e-10);
      State got = padded.state.lanes(lane, 1);
      CHECK(difference(got, plain.state) < 1e-10);
    }
    // A state in the middle of a document, then padded tokens, then more.
    State state = padded.state;
    at::NoGradGuard no_grad;
    const Tensor more = random_tokens(2, 9, seed + 100);
    const Tensor hidden = model->forward(more, state, {});
    const Tensor kept = tokens[0].masked_select(options.valid[0]);
    const Run whole = run(*model, at::cat({kept, more[0]}).unsqueeze(0));
    CHECK(difference(hidden[0], whole.hidden[0].narrow(0, kept.numel(), 9)) < 1e-10);
  }
}

TEST_CASE("corrected MicroRWKV: a document starts as if nothing had been before") {
  for (const bool padded : {false, true}) {
    INFO("padded " << padded);
    const auto model = make(small(), at::kDouble);
    const Tensor before = random_tokens(2, 14, kSeed), tokens = random_tokens(2, 24, kSeed + 1);
    ForwardOptions options;
    options.resets = at::zeros({2, 4}, at::kBool);
    options.resets[0][2] = true;
    options.resets[1][0] = true;
    options.resets[1][3] = true;
    if (padded) {
      options.valid = at::ones({2, 24}, at::kBool);
      options.valid[0].narrow(0, 9, 3).fill_(false);
      options.valid[1].narrow(0, 18, 6).fill_(false);  // the last document has no token here
    }
    State state = run(*model, before).state;
    at::NoGradGuard no_grad;
    const Tensor hidden = model->forward(tokens, state, options);
    const auto document = [&](int64_t lane, int64_t first, int64_t count) {
      return run(*model, tokens[lane].narrow(0, first, count).unsqueeze(0));
    };
    const Run second = document(0, 12, 12), first = document(1, 0, 18), third = document(1, 18, 6);
    CHECK(difference(hidden[0].narrow(0, 12, 12), second.hidden[0]) < 1e-10);
    CHECK(difference(state.lanes(0, 1).get("blocks.1.tmix.state"),
                     second.state.get("blocks.1.tmix.state")) < 1e-10);
    CHECK(difference(hidden[1].narrow(0, 0, 18), first.hidden[0]) < 1e-10);
    if (!padded) CHECK(difference(hidden[1].narrow(0, 18, 6), third.hidden[0]) < 1e-10);
    const Tensor more = random_tokens(2, 15, kSeed + 2);
    const Tensor later = model->forward(more, state, {});
    State lane0 = second.state, lane1 = padded ? model->initial_state(1) : third.state;
    CHECK(difference(later[0], model->forward(more.narrow(0, 0, 1), lane0, {})[0]) < 1e-10);
    CHECK(difference(later[1], model->forward(more.narrow(0, 1, 1), lane1, {})[0]) < 1e-10);
  }
}

TEST_CASE(
    "corrected MicroRWKV: a saved state goes on bit for bit, and copies are not written into") {
  at::NoGradGuard no_grad;
  const auto model = make(small(), at::kFloat);
  const Tensor tokens = random_tokens(1, 40, kSeed);
  State state = model->initial_state(1);
  run_in_pieces(*model, tokens.narrow(1, 0, 23), state, {1}, at::kFloat);
  const State kept = state;
  State saved;  // as a file would hold it
  for (const auto& [name, tensor] : state.tensors()) saved.set(name, tensor.clone());
  const Tensor rest = tokens.narrow(1, 23, 17);
  const Tensor direct = run_in_pieces(*model, rest, state, {1}, at::kFloat);
  CHECK_FALSE(kept.equals(state));
  CHECK(kept.equals(saved));
  const Tensor restored = run_in_pieces(*model, rest, saved, {1}, at::kFloat);
  CHECK(at::equal(direct, restored));
  CHECK(state.equals(saved));

  const auto copy = std::make_unique<MicroRwkvModel>(MicroRwkvConfig::from_table(model->config()),
                                                     kSeed + 1, at::kFloat, at::kCPU);
  copy->parameters().load(model->parameters().named_values());
  CHECK(at::equal(run(*copy, tokens).hidden, run(*model, tokens).hidden));
}

TEST_CASE("MicroRWKV: options that cannot be are refused, presets and defaults build") {
  using Catch::Matchers::Contains;
  const auto refused = [](Table changes, const char* key, const char* expected) {
    INFO(key);
    CHECK_THROWS_WITH(MicroRwkvConfig::from_table(small(std::move(changes))),
                      Contains(key) && Contains(expected));
  };
  refused({{"channels", 18}}, "channels", "a multiple of heads = 4");
  refused({{"key_heads", 3}}, "key_heads", "a divisor of heads = 4");
  refused({{"active", 5}}, "active", "at most experts = 4");
  refused({{"window", 13}}, "window", "at most block_tokens = 12");
  refused({{"mode", "fixed"}}, "mode", "corrected");
  refused({{"mode", "published"}}, "key_heads", "nothing");
  refused({{"slots", 4}}, "slots", "unknown");
  const MicroRwkvConfig defaults = MicroRwkvConfig::from_table({});
  CHECK(microrwkv_parameter_count(defaults) == 150394976);
  CHECK(defaults.active == 2);
  CHECK(defaults.key_heads == 2);
  const Table table = defaults.to_table();
  CHECK((MicroRwkvConfig::from_table(table).to_table() == table));
  for (const char* name : {"tiny", "small", "base", "1b"}) {
    Table preset = microrwkv_preset(name);
    preset["vocabulary"] = 2048;
    for (const char* mode : {"corrected", "published"}) {
      preset["mode"] = mode;
      CHECK(microrwkv_parameter_count(MicroRwkvConfig::from_table(preset)) > 1000000);
    }
  }
  CHECK_THROWS_WITH(microrwkv_preset("huge"), Contains("huge"));
}

TEST_CASE("MicroRWKV: blocks that cannot be are refused with what would do") {
  using Catch::Matchers::Contains;
  const auto model = make(small(), at::kFloat);
  State state = model->initial_state(1);
  CHECK_THROWS_WITH(model->forward(random_tokens(2, 6, 1), state, {}), Contains("lanes"));
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 6, 1).to(at::kFloat), state, {}),
                    Contains("int64"));
  ForwardOptions options;
  options.valid = at::ones({1, 5}, at::kBool);
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 6, 1), state, options), Contains("valid"));
  options = {};
  options.resets = at::ones({1, 4}, at::kBool);
  CHECK_THROWS_WITH(model->forward(random_tokens(1, 6, 1), state, options),
                    Contains("a divisor of the 6 tokens"));
}
