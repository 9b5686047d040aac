// The training step: exact gradients over windows, real truncation, lanes that go on, resume bit
// for bit.
#include "core/base/cancel.h"
#include "core/optim/adamw.h"
#include "core/train/trainer.h"
#include "tests/catch.h"
#include "tests/train/toy_batch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

// A model with its optimiser and trainer.
struct Bench {
  explicit Bench(at::ScalarType dtype = at::kDouble, uint64_t seed = 1)
      : model(seed, dtype), adamw(model.parameters()), trainer(model, adamw, 5) {}
  ToyModel model;
  Adamw adamw;
  Trainer trainer;

  Tensor gradients() {
    std::vector<Tensor> parts;
    for (const Parameter& parameter : model.parameters().all())
      parts.push_back(parameter.value.grad().reshape({-1}));
    return at::cat(parts).clone();
  }
  Tensor values() {
    std::vector<Tensor> parts;
    for (const Parameter& parameter : model.parameters().all()) {
      parts.push_back(parameter.value.detach().reshape({-1}));
    }
    return at::cat(parts).clone();
  }
};

// No update, no clipping: only gradients and lanes.
StepOptions still(int64_t bptt) {
  StepOptions options;
  options.lr = 0.0;
  options.clip = 0.0;
  options.bptt = bptt;
  options.compute_dtype = at::kDouble;
  return options;
}

// The definition: mean weighted cross-entropy over the batch's labels, the memory detached every
// `bptt` segments.
Tensor naive_gradients(Bench& bench, const Batch& batch, State state, int64_t bptt) {
  bench.model.parameters().zero_gradients();
  Tensor total = at::zeros({}, at::kDouble);
  for (int64_t s = 0; s < batch.segments; ++s) {
    if (s % bptt == 0) state.detach();
    int64_t begin = s * batch.segment_tokens;
    ForwardOptions options;
    options.resets = batch.resets.narrow(1, s, 1);
    if (batch.valid.defined()) options.valid = batch.valid.narrow(1, begin, batch.segment_tokens);
    Tensor hidden =
        bench.model.forward(batch.tokens.narrow(1, begin, batch.segment_tokens), state, options);
    Tensor logits =
        at::matmul(hidden, bench.model.head_weight().t()).reshape({-1, ToyModel::kVocabulary});
    Tensor labels = batch.labels.narrow(1, begin, batch.segment_tokens).reshape({-1});
    Tensor rows =
        at::nll_loss(at::log_softmax(logits, -1), labels, {}, at::Reduction::None, kIgnoreLabel);
    if (batch.weights.defined())
      rows = rows * batch.weights.narrow(1, begin, batch.segment_tokens).reshape({-1});
    total = total + rows.sum();
  }
  (total / static_cast<double>(batch.label_count)).backward();
  return bench.gradients();
}

double largest(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("gradients are those of the mean loss, truncated where the window ends") {
  Bench bench;
  Batch batch = toy_batch(3, 3, 6, {{0, 0}, {1, 0}, {2, 0}, {1, 2}, {0, 3}});
  for (int64_t bptt : {1, 2, 4, 6, 100}) {
    INFO("bptt " << bptt);
    bench.trainer.set_lanes(bench.model.initial_state(3));
    StepReport report = bench.trainer.step(batch, still(bptt));
    Tensor actual = bench.gradients();
    Tensor expected = naive_gradients(bench, batch, bench.model.initial_state(3), bptt);
    CHECK(largest(actual, expected) < 1e-14);
    CHECK(report.gradient_norm.item<float>() == Approx(expected.norm().item<double>()));
  }
}

TEST_CASE("loss weights are factors on gradients; the reported loss is without them") {
  Bench bench;
  Batch batch = toy_batch(3, 3, 4, {{0, 0}, {1, 0}, {2, 0}, {1, 2}});
  Tensor plain_loss = bench.trainer.step(batch, still(2)).loss;
  RandomStream random(8, "weights");
  batch.weights = at::ones(batch.tokens.sizes(), at::kFloat);
  for (int64_t i = 0; i < batch.weights.numel(); i += 3)
    batch.weights.data_ptr<float>()[i] = 0.25f * static_cast<float>(random.below(9));
  for (int64_t bptt : {1, 4}) {
    bench.trainer.set_lanes(bench.model.initial_state(3));
    StepReport report = bench.trainer.step(batch, still(bptt));
    Tensor actual = bench.gradients();
    CHECK(largest(actual, naive_gradients(bench, batch, bench.model.initial_state(3), bptt)) <
          1e-14);
    CHECK(report.loss.item<float>() == Approx(plain_loss.item<float>()).epsilon(1e-6));
  }
  // By finite differences of the weighted loss, so that the naive gradient is no tautology.
  auto loss = [&] {
    at::NoGradGuard no_grad;
    State state = bench.model.initial_state(3);
    double sum = 0;
    for (int64_t s = 0; s < batch.segments; ++s) {
      int64_t begin = s * batch.segment_tokens;
      ForwardOptions options;
      options.resets = batch.resets.narrow(1, s, 1);
      Tensor hidden =
          bench.model.forward(batch.tokens.narrow(1, begin, batch.segment_tokens), state, options);
      Tensor chances = at::log_softmax(at::matmul(hidden, bench.model.head_weight().t()), -1);
      for (int64_t b = 0; b < batch.lanes; ++b) {
        for (int64_t t = 0; t < batch.segment_tokens; ++t) {
          int64_t label = batch.labels[b][begin + t].item<int64_t>();
          if (label < 0) continue;
          sum -= chances[b][t][label].item<double>() * batch.weights[b][begin + t].item<double>();
        }
      }
    }
    return sum / static_cast<double>(batch.label_count);
  };
  bench.trainer.set_lanes(bench.model.initial_state(3));
  bench.trainer.step(batch, still(4));
  for (const Parameter& parameter : bench.model.parameters().all()) {
    Tensor flat = parameter.value.detach().view({-1});
    for (int64_t place : {int64_t{0}, flat.numel() - 1}) {
      double slope = parameter.value.grad().reshape({-1})[place].item<double>(), step = 1e-5;
      double* cell = flat.data_ptr<double>() + place;
      *cell += step;
      double above = loss();
      *cell -= 2 * step;
      double below = loss();
      *cell += step;
      CHECK(slope == Approx((above - below) / (2 * step)).margin(1e-8).epsilon(1e-5));
    }
  }
  batch.weights = at::ones({1, 2});
  CHECK_THROWS_WITH(bench.trainer.step(batch, still(1)), Contains("weights"));
}

TEST_CASE("windows add up to the gradient of one window where nothing is cut") {
  Bench bench;
  std::vector<std::pair<int64_t, int64_t>> every_second;
  for (int64_t lane = 0; lane < 2; ++lane) {
    for (int64_t segment : {0, 2, 4}) every_second.push_back({lane, segment});
  }
  Batch batch = toy_batch(4, 2, 6, every_second);
  bench.trainer.step(batch, still(6));
  Tensor whole = bench.gradients();
  bench.trainer.step(batch, still(2));
  CHECK(largest(bench.gradients(), whole) < 1e-14);
  // And where the window cuts a document, the gradient does change: the test above is no tautology.
  bench.trainer.step(batch, still(1));
  CHECK(largest(bench.gradients(), whole) > 1e-6);
}

TEST_CASE("truncation is exact: nothing flows to segments before the window") {
  Bench bench;
  Batch batch = toy_batch(5, 1, 2, {{0, 0}});
  // Token 6 appears in the first segment only, labels in the second only, and never as a candidate
  // of weight: what reaches its embedding through memory is all there is besides the softmax.
  batch.tokens = at::tensor({6, 6, 6, 6, 1, 2, 3, 1}, at::kLong).view({1, 8});
  batch.labels = at::tensor({-100, -100, -100, -100, 2, 3, 1, 1}, at::kLong).view({1, 8});
  batch.label_count = 4;
  auto start_gradient = [&](int64_t bptt) {
    bench.trainer.step(batch, still(bptt));
    return bench.model.parameters().get("start").value.grad().abs().max().item<double>();
  };
  CHECK(start_gradient(2) > 1e-6);
  CHECK(start_gradient(1) == 0.0);
}

TEST_CASE("padding is neither trained nor remembered") {
  Bench bench;
  Batch batch = toy_batch(6, 2, 3, {{0, 0}, {1, 0}});
  batch.valid = at::ones({2, 12}, at::kBool);
  batch.valid.narrow(1, 7, 1).fill_(false);
  batch.labels.narrow(1, 7, 1).fill_(kIgnoreLabel);
  batch.label_count = batch.labels.ne(kIgnoreLabel).sum().item<int64_t>();
  bench.trainer.step(batch, still(2));
  Tensor actual = bench.gradients();
  CHECK(largest(actual, naive_gradients(bench, batch, bench.model.initial_state(2), 2)) < 1e-14);
  CHECK(bench.trainer.lanes().get("count").equal(at::full({2}, 11, at::kLong)));
}

TEST_CASE("lanes go on from step to step, whatever the number of segments") {
  Bench whole, parts;
  Batch batch = toy_batch(7, 2, 7, {{0, 0}, {1, 0}, {1, 4}});
  whole.trainer.step(batch, still(4));
  auto cut = [&](int64_t first, int64_t count) {
    Batch piece = batch;
    int64_t begin = first * batch.segment_tokens, width = count * batch.segment_tokens;
    piece.segments = count;
    piece.tokens = batch.tokens.narrow(1, begin, width);
    piece.labels = batch.labels.narrow(1, begin, width);
    piece.resets = batch.resets.narrow(1, first, count);
    return piece;
  };
  parts.trainer.step(cut(0, 1), still(4));
  parts.trainer.step(cut(1, 4), still(2));
  parts.trainer.step(cut(5, 2), still(1));
  CHECK(parts.trainer.lanes().equals(whole.trainer.lanes()));
  CHECK_FALSE(parts.trainer.lanes().get("memory").requires_grad());
  CHECK(parts.trainer.lanes().get("count").equal(at::tensor({int64_t{28}, int64_t{12}})));
}

TEST_CASE("short segments of a random length run as such") {
  Bench bench;
  Batch batch = toy_batch(8, 2, 4, {{0, 0}, {1, 0}, {1, 3}});
  batch.segment_tokens = 3;
  batch.tokens = batch.tokens.narrow(1, 0, 12).contiguous();
  batch.labels = batch.labels.narrow(1, 0, 12).contiguous();
  bench.trainer.step(batch, still(1));
  CHECK(bench.trainer.lanes().get("count").equal(at::tensor({int64_t{12}, int64_t{3}})));
  batch.segment_tokens = 6;
  batch.segments = 2;
  batch.resets = at::zeros({2, 2}, at::kBool);
  CHECK_THROWS_WITH(bench.trainer.step(batch, still(1)),
                    Contains("batch.segment_tokens: got 6, expected 1 .. 4"));
}

TEST_CASE("training lowers the loss of a repeated batch") {
  Bench bench;
  Batch batch = toy_batch(9, 2, 2, {{0, 0}, {1, 0}});
  StepOptions options = still(2);
  options.lr = 0.02;
  options.clip = 1.0;
  float first = bench.trainer.step(batch, options).loss.item<float>(), last = 0;
  for (int i = 0; i < 60; ++i) last = bench.trainer.step(batch, options).loss.item<float>();
  CHECK(last < 0.6f * first);
  CHECK(bench.trainer.step_count() == 61);
  CHECK(bench.adamw.update_count() == 61);
}

TEST_CASE("a run that is stopped and resumed continues bit for bit") {
  for (auto dtype : {at::kFloat, at::kDouble}) {
    StepOptions options;
    options.lr = 0.01;
    options.compute_dtype = dtype;
    options.bptt = 2;
    options.spike = 1.5;
    options.state_passing = 0.5;
    auto batch_at = [](int64_t step) {
      return toy_batch(100 + step, 3, 1 + step % 3, {{step % 3, 0}, {(step + 1) % 3, step % 3}});
    };
    Bench straight(dtype);
    std::vector<float> losses;
    for (int64_t step = 0; step < 12; ++step) {
      losses.push_back(straight.trainer.step(batch_at(step), options).loss.item<float>());
    }
    for (int64_t stop : {1, 5, 11}) {
      std::map<std::string, Tensor> values, moments, lanes;
      Table rates;
      {
        Bench first(dtype);
        for (int64_t step = 0; step < stop; ++step) first.trainer.step(batch_at(step), options);
        for (auto& [name, tensor] : first.model.parameters().named_values())
          values[name] = tensor.clone();
        for (auto& [name, tensor] : first.adamw.state()) moments[name] = tensor.clone();
        for (auto& [name, tensor] : first.trainer.state()) lanes[name] = tensor.clone();
        rates = first.adamw.options();
      }
      Bench second(dtype, 99);  // other initial values, all replaced
      second.model.parameters().load(values);
      second.adamw.set_options(rates);
      second.adamw.load_state(moments);
      second.trainer.load_state(lanes);
      CHECK(second.trainer.step_count() == stop);
      for (int64_t step = stop; step < 12; ++step) {
        CHECK(second.trainer.step(batch_at(step), options).loss.item<float>() == losses[step]);
      }
      CHECK(second.values().equal(straight.values()));
      CHECK(second.trainer.lanes().equals(straight.trainer.lanes()));
    }
  }
}

TEST_CASE("a broken loss skips the update and the run goes on") {
  Bench bench(at::kFloat);
  StepOptions options;
  Batch batch = toy_batch(10, 2, 2, {{0, 0}, {1, 0}});
  CHECK(bench.trainer.step(batch, options).skipped.item<float>() == 0);
  Tensor before = bench.values();
  auto& start = bench.model.parameters().get("start").value;
  Tensor kept = start.detach().clone();
  start.detach().fill_(std::numeric_limits<float>::quiet_NaN());
  StepReport report = bench.trainer.step(batch, options);
  CHECK(report.skipped.item<float>() == 1);
  start.detach().copy_(kept);
  CHECK(bench.values().equal(before));
  CHECK(bench.adamw.skip_count() == 1);
  CHECK(bench.trainer.step(batch, options).skipped.item<float>() == 0);
  CHECK(std::isfinite(bench.values().sum().item<float>()));
}

TEST_CASE("a lane whose memory breaks goes on with the memory it had, and does not break others") {
  Bench bench(at::kFloat);
  const StepOptions options;
  // Two lanes in the middle of their texts.
  bench.trainer.step(toy_batch(30, 2, 2, {{0, 0}, {1, 0}}), options);
  const State before = bench.trainer.lanes();
  auto& start = bench.model.parameters().get("start").value;
  const Tensor kept = start.detach().clone();
  start.detach().fill_(std::numeric_limits<float>::quiet_NaN());
  // A text begins in the second lane: only there is the broken start read.
  CHECK(bench.trainer.step(toy_batch(31, 2, 2, {{1, 0}}), options).skipped.item<float>() == 1);
  start.detach().copy_(kept);
  for (const auto& [key, tensor] : bench.trainer.lanes().tensors()) {
    INFO(key);
    CHECK(tensor.isfinite().all().item<bool>());
    CHECK(tensor[1].equal(before.get(key)[1]));
    CHECK_FALSE(tensor[0].equal(before.get(key)[0]));
  }
  const StepReport report = bench.trainer.step(toy_batch(32, 2, 2, {}), options);
  CHECK(report.skipped.item<float>() == 0);
  CHECK(std::isfinite(report.loss.item<float>()));
}

TEST_CASE("a loss spike skips the update once the average is settled") {
  Bench bench(at::kFloat);
  StepOptions options;
  options.lr = 0.02;
  options.spike = 1.5;
  Batch usual = toy_batch(11, 2, 2, {{0, 0}, {1, 0}});
  for (int i = 0; i < 150; ++i)
    CHECK(bench.trainer.step(usual, options).skipped.item<float>() == 0);
  Batch other = toy_batch(12, 2, 2, {{0, 0}, {1, 0}});
  Tensor before = bench.values();
  StepReport report = bench.trainer.step(other, options);
  CHECK(report.skipped.item<float>() == 1);
  CHECK(bench.values().equal(before));
  options.spike = 0;
  CHECK(bench.trainer.step(other, options).skipped.item<float>() == 0);
  // A lasting change is followed: the average rises until the new losses pass.
  options.spike = 1.5;
  options.lr = 0;
  int skipped = 0;
  while (bench.trainer.step(other, options).skipped.item<float>() == 1) REQUIRE(++skipped < 200);
  CHECK(skipped > 1);
}

TEST_CASE("state passing gives a starting lane another lane's memory, and nothing else of it") {
  Bench bench;
  bench.trainer.step(toy_batch(13, 3, 2, {{0, 0}, {1, 0}, {2, 0}}), still(2));
  State before = bench.trainer.lanes();
  Batch batch = toy_batch(14, 3, 1, {{1, 0}});
  StepOptions options = still(1);
  options.state_passing = 1.0;
  bench.trainer.step(batch, options);
  // Lane 1 as if it had started from the memory of lane 0 or lane 2, with its own counter at 0.
  int matches = 0;
  for (int64_t giver : {0, 2}) {
    State start = before;
    State passed = bench.model.initial_state(1);
    passed.set("memory", before.get("memory").narrow(0, giver, 1));
    passed.detach();
    start.assign_lanes({1}, passed);
    ForwardOptions forward;
    forward.resets = at::zeros({3, 1}, at::kBool);
    bench.model.forward(batch.tokens, start, forward);
    start.detach();
    matches += start.equals(bench.trainer.lanes());
  }
  CHECK(matches == 1);
  CHECK(bench.trainer.lanes().get("count")[1].item<int64_t>() == 4);
  CHECK_FALSE(batch.resets.logical_not().all().item<bool>());  // the caller's batch is untouched
}

TEST_CASE("a batch without labels moves the lanes and trains nothing") {
  Bench bench;
  Batch batch = toy_batch(15, 2, 2, {{0, 0}, {1, 0}});
  batch.labels.fill_(kIgnoreLabel);
  batch.label_count = 0;
  Tensor before = bench.values();
  StepOptions options;
  options.compute_dtype = at::kDouble;
  StepReport report = bench.trainer.step(batch, options);
  CHECK(report.loss.item<float>() == 0);
  CHECK(bench.values().equal(before));
  CHECK(bench.adamw.update_count() == 0);
  CHECK(bench.trainer.lanes().get("count").equal(at::full({2}, 8, at::kLong)));
}

TEST_CASE("an interrupted step changes nothing") {
  Bench bench;
  StepOptions options;
  options.compute_dtype = at::kDouble;
  options.bptt = 1;
  bench.trainer.step(toy_batch(16, 2, 2, {{0, 0}, {1, 0}}), options);
  Tensor before = bench.values();
  State lanes = bench.trainer.lanes();
  int calls = 0;
  bench.model.before_forward = [&] {
    if (++calls == 2) request_cancel();
  };
  Batch batch = toy_batch(17, 2, 3);
  CHECK_THROWS_AS(bench.trainer.step(batch, options), Interrupted);
  CHECK(calls == 2);
  CHECK(bench.values().equal(before));
  CHECK(bench.trainer.lanes().equals(lanes));
  CHECK(bench.trainer.step_count() == 1);
  bench.model.before_forward = nullptr;
  // The step that is made after all is the one that would have been made.
  Bench straight;
  straight.trainer.step(toy_batch(16, 2, 2, {{0, 0}, {1, 0}}), options);
  straight.trainer.step(batch, options);
  bench.trainer.step(batch, options);
  CHECK(bench.values().equal(straight.values()));
}

TEST_CASE("wrong batches and saved states are refused") {
  Bench bench;
  StepOptions options = still(1);
  bench.trainer.step(toy_batch(18, 2, 1), options);
  CHECK_THROWS_WITH(bench.trainer.step(toy_batch(18, 3, 1), options),
                    Contains("2 lanes, as in the step before"));
  Batch batch = toy_batch(18, 2, 1);
  batch.labels = batch.labels.narrow(1, 0, 3);
  CHECK_THROWS_WITH(bench.trainer.step(batch, options), Contains("batch.labels"));
  auto state = bench.trainer.state();
  auto wrong = state;
  wrong.erase("trainer.steps");
  CHECK_THROWS_AS(bench.trainer.load_state(wrong), Error);
  wrong = state;
  wrong["other"] = at::zeros({1});
  CHECK_THROWS_WITH(bench.trainer.load_state(wrong), Contains("'other'"));
}

TEST_CASE("step options are closed and within range") {
  CHECK_THROWS_WITH(StepOptions::from_table({{"bptt", 0}}), Contains("train.step.bptt"));
  CHECK_THROWS_WITH(StepOptions::from_table({{"dtype", "fp16"}}), Contains("unknown choice"));
  CHECK_THROWS_WITH(StepOptions::from_table({{"spike", 0.5}}), Contains("above 1"));
  CHECK_THROWS_WITH(StepOptions::from_table({{"clipp", 1}}), Contains("did you mean 'clip'"));
  StepOptions options = StepOptions::from_table({{"lr", 0.1}, {"dtype", "bf16"}, {"replay", true}});
  CHECK((options.lr == 0.1 && options.compute_dtype == at::kBFloat16 && options.replay));
}
