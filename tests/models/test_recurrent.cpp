// The recurrent form and the state: T4, T5, T9, T10, T14, T19 of memory-architectures.md,
// section 4.9.
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 21;
constexpr int64_t kCount = 4 * kSegment;

// As a file would: names, bits, counters.
State saved_and_loaded(const State& state) {
  State loaded;
  for (const auto& [name, value] : state.counters()) loaded.set_counter(name, value);
  for (const auto& [name, tensor] : state.tensors()) loaded.set(name, tensor.contiguous().clone());
  return loaded;
}

// What a small save keeps: everything but the open segment, whose tokens are fed again.
State without_open(const State& state) {
  State small;
  for (const auto& [name, tensor] : state.tensors()) {
    if (name.rfind("open.", 0) != 0) small.set(name, tensor.clone());
  }
  small.writable("tokens").sub_(state.counter("open"));
  small.set_counter("open", 0);
  return small;
}

Tensor one_by_one(RmkvModel& model, const Tensor& tokens, State& state) {
  return run_in_pieces(model, tokens, state, {1}, model.parameters().dtype());
}

}  // namespace

TEST_CASE("T5: any split of the tokens gives the same rows and the same state") {
  const std::vector<std::vector<int64_t>> splits = {
      {1}, {2}, {5, 7, 3, 9}, {kSegment}, {1, kSegment, 2 * kSegment}, {13}, {20, 4}, {2, 17}};
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    const double tolerance = dtype == at::kDouble ? 1e-10 : 1e-4;
    for (const Variant& variant : all_variants()) {
      const auto model = make_model(variant.config, kSeed, dtype);
      for (const int64_t count : {kCount, kCount - 2}) {
        const Tensor tokens = random_tokens(2, count, kSeed);
        State expected_state = model->initial_state(2);
        const Tensor expected = run_in_pieces(*model, tokens, expected_state, {count}, dtype);
        for (size_t i = 0; i < splits.size(); ++i) {
          INFO(variant.name << " " << dtype_name(dtype) << " split " << i << " of " << count);
          State state = model->initial_state(2);
          CHECK(difference(run_in_pieces(*model, tokens, state, splits[i], dtype), expected) <
                tolerance);
          CHECK(difference(state, expected_state) < tolerance);
        }
      }
    }
  }
}

TEST_CASE("T4: bf16 recurrent form agrees with bf16 parallel form") {
  at::NoGradGuard no_grad;
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    Table config = variant.config;
    config["channels"] = 64;
    config["segment_tokens"] = 16;
    config["vocabulary"] = 512;
    RmkvModel model(RmkvConfig::from_table(config), kSeed, at::kFloat, at::kCPU);
    const Tensor tokens = random_tokens(4, 64, kSeed);
    State whole = model.initial_state(4), stepped = model.initial_state(4);
    const Tensor a = model.logits(run_in_pieces(model, tokens, whole, {64}, at::kBFloat16));
    const Tensor b = model.logits(run_in_pieces(model, tokens, stepped, {1}, at::kBFloat16));
    CHECK(((a - b).norm() / a.norm()).item<double>() < 3e-2);
    // Rows whose two best are closer than the tolerance have no winner to agree on.
    const Tensor best = std::get<0>(a.topk(2, -1));
    const Tensor clear = (best.select(-1, 0) - best.select(-1, 1)) > 3e-2 * a.std();
    const Tensor equal = a.argmax(-1).eq(b.argmax(-1)).masked_select(clear).to(at::kDouble);
    CHECK(equal.numel() > 128);
    CHECK(equal.mean().item<double>() >= 0.99);
    for (const auto& name : model.memory_names(whole)) {
      CHECK(whole.get(name).scalar_type() == at::kFloat);
      CHECK(difference(whole.get(name), stepped.get(name)) < 3e-2);
    }
  }
}

TEST_CASE("T9: a saved state continues bit for bit, a small save within tolerance") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    for (const Variant& variant : all_variants()) {
      for (const int64_t stop : {2 * kSegment, 2 * kSegment + 4}) {
        INFO(variant.name << " " << dtype_name(dtype) << " after " << stop);
        const auto model = make_model(variant.config, kSeed, dtype);
        const Tensor tokens = random_tokens(2, kCount, kSeed);
        State state = model->initial_state(2);
        one_by_one(*model, tokens.narrow(1, 0, stop), state);
        State full = saved_and_loaded(state), small = without_open(state);
        const int64_t open = state.counter("open");
        if (open > 0)
          run_in_pieces(*model, tokens.narrow(1, stop - open, open), small, {open}, dtype);
        const Tensor rest = tokens.narrow(1, stop, kCount - stop);
        const Tensor expected = one_by_one(*model, rest, state);
        CHECK(at::equal(one_by_one(*model, rest, full), expected));
        CHECK(full.equals(state));
        CHECK(difference(one_by_one(*model, rest, small), expected) <
              (dtype == at::kDouble ? 1e-10 : 1e-4));
      }
    }
  }
}

TEST_CASE("T9: a copied state is a fork: going on with one leaves the other as it was") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = random_tokens(1, kCount, kSeed);
    State state = model->initial_state(1);
    one_by_one(*model, tokens.narrow(1, 0, kSegment + 2), state);
    State fork = state;
    const State before = saved_and_loaded(state);
    one_by_one(*model, tokens.narrow(1, kSegment + 2, kSegment), state);
    CHECK(fork.equals(before));
    const Tensor again = one_by_one(*model, tokens.narrow(1, kSegment + 2, kSegment), fork);
    CHECK(fork.equals(state));
  }
}

TEST_CASE("T10: lanes do not touch each other") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = random_tokens(3, kCount - 2, kSeed);
    State together = model->initial_state(3);
    const Tensor rows = run_in_pieces(*model, tokens, together, {7}, at::kDouble);
    // A change in one lane leaves the other lanes' bits alone.
    Tensor changed = tokens.clone();
    changed[1].copy_((changed[1] + 1) % kVocabulary);
    State other = model->initial_state(3);
    const Tensor changed_rows = run_in_pieces(*model, changed, other, {7}, at::kDouble);
    for (const int64_t lane : {0, 2}) {
      CHECK(at::equal(rows[lane], changed_rows[lane]));
      CHECK(together.lanes(lane, 1).equals(other.lanes(lane, 1)));
    }
    CHECK(difference(rows[1], changed_rows[1]) > 1e-4);
    // Alone, and in another order.
    State alone = model->initial_state(1), permuted = model->initial_state(3);
    CHECK(difference(run_in_pieces(*model, tokens.narrow(0, 1, 1), alone, {7}, at::kDouble),
                     rows.narrow(0, 1, 1)) < 1e-10);
    const Tensor order = at::tensor({2, 0, 1}, at::kLong);
    const Tensor shuffled =
        run_in_pieces(*model, tokens.index_select(0, order), permuted, {7}, at::kDouble);
    CHECK(difference(shuffled, rows.index_select(0, order)) < 1e-10);
  }
}

TEST_CASE("T10: joined and divided lanes go on as they would have") {
  for (const Variant& variant : few_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const Tensor tokens = random_tokens(2, kCount, kSeed);
    std::vector<State> states;
    for (int64_t lane = 0; lane < 2; ++lane) {
      states.push_back(model->initial_state(1));
      one_by_one(*model, tokens.narrow(0, lane, 1).narrow(1, 0, 9), states.back());
    }
    State joined = State::join(states);
    const Tensor rows = one_by_one(*model, tokens.narrow(1, 9, 8), joined);
    for (int64_t lane = 0; lane < 2; ++lane) {
      State& state = states[static_cast<size_t>(lane)];
      CHECK(difference(one_by_one(*model, tokens.narrow(0, lane, 1).narrow(1, 9, 8), state),
                       rows.narrow(0, lane, 1)) < 1e-10);
      CHECK(difference(joined.lanes(lane, 1), state) < 1e-10);
    }
  }
}

TEST_CASE("flush commits a short segment, the same as one padded to its length") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kDouble);
    const int64_t held = 4;
    const Tensor tokens = random_tokens(2, 3 * kSegment, kSeed);
    State flushed = model->initial_state(2), padded = model->initial_state(2);
    run_in_pieces(*model, tokens.narrow(1, 0, kSegment + held), flushed, {3}, at::kDouble);
    model->flush(flushed, {});
    CHECK(flushed.counter("open") == 0);
    ForwardOptions options;
    options.valid = at::ones({2, 2 * kSegment}, at::kBool);
    options.valid.narrow(1, kSegment + held, kSegment - held).fill_(false);
    at::NoGradGuard no_grad;
    model->forward(tokens.narrow(1, 0, 2 * kSegment), padded, options);
    CHECK(difference(flushed, padded) < 1e-10);
    const State before = flushed;
    model->flush(flushed, {});
    CHECK(flushed.equals(before));
    const Tensor rest = tokens.narrow(1, 2 * kSegment, kSegment);
    CHECK(difference(one_by_one(*model, rest, flushed),
                     run_in_pieces(*model, rest, padded, {kSegment}, at::kDouble)) < 1e-10);
  }
}

TEST_CASE("the state does not grow with the tokens it has seen") {
  for (const Variant& variant : few_variants()) {
    INFO(variant.name);
    const auto model = make_model(variant.config, kSeed, at::kFloat);
    State state = model->initial_state(1);
    one_by_one(*model, random_tokens(1, kSegment + 1, kSeed), state);
    const int64_t bytes = state.size_bytes();
    one_by_one(*model, random_tokens(1, 10 * kSegment, kSeed), state);
    CHECK(state.size_bytes() == bytes);
  }
}

namespace {

// Largest absolute memory over `segments` random segments.
double largest_memory(const std::string& cell, int64_t segments) {
  at::NoGradGuard no_grad;
  const auto model = make_model(
      small_config(
          {{"cell", cell}, {"segment_tokens", 2}, {"bridge", 0}, {"layers", 1}, {"ffn", "none"}}),
      kSeed, at::kFloat);
  State state = model->initial_state(4);
  double largest = 0;
  for (int64_t done = 0; done < segments; done += 50) {
    model->forward(random_tokens(4, 100, static_cast<uint64_t>(done)), state, {});
    const Tensor memory = state.get("memory.1");
    REQUIRE(memory.isfinite().all().item<bool>());
    largest = std::max(largest, memory.abs().max().item<double>());
  }
  return largest;
}

// Differences of the two forms per segment: first and last quarter's maxima.
std::pair<double, double> drift(int64_t segments) {
  at::NoGradGuard no_grad;
  RmkvModel model(RmkvConfig::from_table(small_config({{"channels", 32}})), kSeed, at::kFloat,
                  at::kCPU);
  State whole = model.initial_state(1), stepped = model.initial_state(1);
  const Tensor tokens = random_tokens(1, segments * kSegment, kSeed);
  const Tensor a = run_in_pieces(model, tokens, whole, {segments * kSegment}, at::kFloat);
  const Tensor b = run_in_pieces(model, tokens, stepped, {1}, at::kFloat);
  const Tensor gap = (a - b).abs().amax(-1)[0];
  const int64_t quarter = segments * kSegment / 4;
  return {gap.narrow(0, 0, quarter).max().item<double>(),
          gap.narrow(0, 3 * quarter, quarter).max().item<double>()};
}

}  // namespace

TEST_CASE("T14: memory stays bounded over 500 random segments") {
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    INFO(cell);
    const auto model = make_model(
        small_config({{"cell", cell}, {"segment_tokens", 2}, {"layers", 1}}), kSeed, at::kFloat);
    const double start =
        model->parameters().get("layers.1.memory.initial").value.abs().max().item<double>();
    CHECK(largest_memory(cell, 500) <= std::max(1.0, start) + 1e-6);
  }
}

TEST_CASE("T14: memory stays bounded over 10,000 random segments", "[slow]") {
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    INFO(cell);
    const auto model = make_model(
        small_config({{"cell", cell}, {"segment_tokens", 2}, {"layers", 1}}), kSeed, at::kFloat);
    const double start =
        model->parameters().get("layers.1.memory.initial").value.abs().max().item<double>();
    CHECK(largest_memory(cell, 10000) <= std::max(1.0, start) + 1e-6);
  }
}

TEST_CASE("T19: the two forms do not drift apart over 80 segments") {
  const auto [first, last] = drift(80);
  CHECK(first > 0);  // summation orders do differ
  CHECK(last <= 4 * first);
  CHECK(last < 1e-4);
}

TEST_CASE("T19: the two forms do not drift apart over 400 segments", "[slow]") {
  const auto [first, last] = drift(400);
  CHECK(last <= 4 * first);
  CHECK(last < 1e-4);
}
