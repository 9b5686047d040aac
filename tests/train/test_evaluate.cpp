// Evaluation against losses computed by hand: means, ablations of memory, confidence intervals.
#include "core/train/evaluate.h"

#include <cmath>

#include "core/train/paired_effect.h"
#include "tests/catch.h"
#include "tests/train/toy_batch.h"

using namespace rmkv;

namespace {

BatchSource one_by_one(std::vector<Batch> batches) {
  auto next = std::make_shared<size_t>(0);
  return [batches = std::move(batches), next](Batch& batch) {
    if (*next == batches.size()) return false;
    batch = batches[(*next)++];
    return true;
  };
}

// Sum of losses per lane of one segment from `state`, which moves on.
std::vector<double> lane_losses(ToyModel& model, const Batch& batch, int64_t s, State& state) {
  int64_t begin = s * batch.segment_tokens;
  ForwardOptions options;
  options.resets = batch.resets.narrow(1, s, 1);
  Tensor hidden =
      model.forward(batch.tokens.narrow(1, begin, batch.segment_tokens), state, options);
  Tensor chances = at::log_softmax(at::matmul(hidden, model.head_weight().t()), -1);
  std::vector<double> sums;
  for (int64_t lane = 0; lane < batch.lanes; ++lane) {
    double sum = 0;
    for (int64_t t = 0; t < batch.segment_tokens; ++t) {
      int64_t label = batch.labels[lane][begin + t].item<int64_t>();
      if (label != kIgnoreLabel) sum -= chances[lane][t][label].item<double>();
    }
    sums.push_back(sum);
  }
  return sums;
}

int64_t lane_labels(const Batch& batch, int64_t lane, int64_t s) {
  return batch.labels[lane]
      .narrow(0, s * batch.segment_tokens, batch.segment_tokens)
      .ne(kIgnoreLabel)
      .sum()
      .item<int64_t>();
}

}  // namespace

TEST_CASE("loss, bits per byte and sources are exact sums") {
  at::NoGradGuard no_grad;
  ToyModel model;
  std::vector<Batch> batches = {toy_batch(1, 2, 3, {{0, 0}, {1, 0}, {1, 2}}),
                                toy_batch(2, 2, 2, {{0, 1}})};
  batches[0].sources[1][2] = 4;
  batches[1].sources[1].fill_(4);
  for (Batch& batch : batches) {
    batch.bytes = at::empty({2, batch.segments}, at::kLong);
    for (int64_t lane = 0; lane < 2; ++lane) {
      for (int64_t s = 0; s < batch.segments; ++s)
        batch.bytes[lane][s] = 3 * lane_labels(batch, lane, s);
    }
  }
  double total = 0, fourth = 0;
  int64_t fourth_labels = 0;
  State state = model.initial_state(2);
  for (Batch& batch : batches) {
    for (int64_t s = 0; s < batch.segments; ++s) {
      auto losses = lane_losses(model, batch, s, state);
      total += losses[0] + losses[1];
      for (int64_t lane = 0; lane < 2; ++lane) {
        if (batch.sources[lane][s].item<int64_t>() != 4) continue;
        fourth += losses[lane];
        fourth_labels += lane_labels(batch, lane, s);
      }
    }
  }
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  for (bool memory : {false, true}) {
    options.memory = memory;
    EvaluationReport report = evaluate(model, one_by_one(batches), options);
    int64_t labels = batches[0].label_count + batches[1].label_count;
    CHECK(report.labels == labels);
    CHECK(report.tokens == 40);
    CHECK(report.bytes == 3 * labels);
    CHECK(report.loss == Approx(total / labels).epsilon(1e-12));
    CHECK(report.bits_per_byte == Approx(total / (3 * labels * std::log(2.0))).epsilon(1e-12));
    REQUIRE(report.sources.size() == 2);
    CHECK(report.sources.at(4).labels == fourth_labels);
    CHECK(report.sources.at(4).loss == Approx(fourth / fourth_labels).epsilon(1e-12));
    CHECK(report.sources.at(4).bits_per_byte ==
          Approx(fourth / (3 * fourth_labels * std::log(2.0))).epsilon(1e-12));
    CHECK((report.zeroed.samples > 0) == memory);
  }
}

TEST_CASE("ablations replace the memory of running documents for one segment") {
  at::NoGradGuard no_grad;
  ToyModel model;
  // Lane 0 runs through, lane 1 starts anew in segment 3.
  Batch batch = toy_batch(3, 2, 6, {{0, 0}, {1, 0}, {1, 3}});
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  options.stale_segments = 2;
  EvaluationReport report = evaluate(model, one_by_one({batch}), options);

  double zeroed = 0, initial = 0, shuffled = 0, stale = 0;
  int64_t labels = 0, stale_labels = 0;
  std::vector<State> befores;
  State state = model.initial_state(2);
  for (int64_t s = 0; s < 6; ++s) {
    State before = state;
    befores.push_back(before);
    auto truth = lane_losses(model, batch, s, state);
    auto with = [&](Tensor memory) {
      State changed = before;
      changed.set("memory", std::move(memory));
      return lane_losses(model, batch, s, changed);
    };
    const Tensor& memory = before.get("memory");
    auto zero = with(at::zeros_like(memory)), start = with(model.initial_state(2).get("memory"));
    auto swapped = with(memory.flip(0));  // the only derangement of two
    auto old = s >= 2 ? with(befores[s - 2].get("memory")) : truth;
    for (int64_t lane = 0; lane < 2; ++lane) {
      int64_t age = lane == 1 && s >= 3 ? s - 3 : s, n = lane_labels(batch, lane, s);
      if (age >= 1) {
        zeroed += zero[lane] - truth[lane];
        initial += start[lane] - truth[lane];
        shuffled += swapped[lane] - truth[lane];
        labels += n;
      }
      // Two segments back the document must have had a memory of its own.
      if (age >= 3) {
        stale += old[lane] - truth[lane];
        stale_labels += n;
      }
    }
  }
  CHECK(report.zeroed.difference == Approx(zeroed / labels).epsilon(1e-9));
  CHECK(report.initial.difference == Approx(initial / labels).epsilon(1e-9));
  CHECK(report.shuffled.difference == Approx(shuffled / labels).epsilon(1e-9));
  CHECK(report.stale.difference == Approx(stale / stale_labels).epsilon(1e-9));
  CHECK(report.zeroed.labels == labels);
  CHECK(report.stale.labels == stale_labels);
  CHECK(report.zeroed.samples == 3);  // three documents
  CHECK(report.stale.samples == 1);
  CHECK(std::isinf(report.stale.high));
  CHECK(std::fabs(report.zeroed.difference) > 1e-3);
}

TEST_CASE("a memory that nobody reads is worth exactly nothing") {
  ToyModel model;
  // A hidden row without memory: the memory stays 0 through every segment and from the start.
  struct Blind : ToyModel {
    Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override {
      State zero = state;
      zero.set("memory", at::zeros_like(state.get("memory")));
      Tensor hidden = ToyModel::forward(tokens.slice(1, 0, 1), zero, options);
      hidden = at::cat({hidden, hidden, hidden, hidden}, 1);
      ToyModel::forward(tokens, state, options);
      return hidden.detach() * 0 + parameters()
                                       .get("embedding")
                                       .value.index_select(0, tokens.reshape({-1}))
                                       .view(hidden.sizes());
    }
  } blind;
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  EvaluationReport report = evaluate(blind, one_by_one({toy_batch(4, 3, 8)}), options);
  for (const MemoryEffect& effect :
       {report.shuffled, report.zeroed, report.initial, report.stale}) {
    CHECK(effect.labels > 0);
    CHECK(effect.difference == 0.0);
    CHECK((effect.low == 0.0 && effect.high == 0.0));
  }
}

TEST_CASE(
    "evaluation is deterministic, stops at its budget, and cuts long documents into samples") {
  ToyModel model;
  std::vector<Batch> batches;
  for (uint64_t i = 0; i < 10; ++i) batches.push_back(toy_batch(20 + i, 3, 5));
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  EvaluationReport first = evaluate(model, one_by_one(batches), options);
  EvaluationReport second = evaluate(model, one_by_one(batches), options);
  CHECK(first.shuffled.difference == second.shuffled.difference);
  CHECK(first.loss == second.loss);
  CHECK(first.zeroed.samples == 3 * 4);  // 50 segments a lane: 16 + 16 + 16 + 2
  CHECK(first.shuffled.low < first.shuffled.difference);
  CHECK(first.shuffled.difference < first.shuffled.high);
  options.max_tokens = 100;
  CHECK(evaluate(model, one_by_one(batches), options).tokens == 120);
  CHECK(std::isnan(evaluate(model, one_by_one({}), options).loss));
}

TEST_CASE("only the ablations asked for are made, in every so many segments") {
  ToyModel model;
  std::vector<Batch> batches = {toy_batch(8, 3, 9)};
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  const EvaluationReport all = evaluate(model, one_by_one(batches), options);
  options.ablations = {"shuffled"};
  const EvaluationReport one = evaluate(model, one_by_one(batches), options);
  CHECK(one.shuffled.difference == all.shuffled.difference);
  CHECK(one.zeroed.labels + one.initial.labels + one.stale.labels == 0);
  CHECK(one.loss == all.loss);
  options.ablate_every = 2;
  const EvaluationReport half = evaluate(model, one_by_one(batches), options);
  int64_t labels = 0;
  for (const int64_t s : {2, 4, 6, 8}) {  // every second segment from the start but the first
    for (int64_t lane = 0; lane < 3; ++lane) labels += lane_labels(batches[0], lane, s);
  }
  CHECK(half.shuffled.labels == labels);
  options.ablations = {"shufled"};
  CHECK_THROWS_WITH(evaluate(model, one_by_one(batches), options),
                    Catch::Matchers::Contains("shuffled"));
}

TEST_CASE("readings are means over the labels of running documents in every fourth segment") {
  // Reads, at each token, the number of the segment it stands in.
  struct Reader : ToyModel {
    Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override {
      if (options.readings)
        (*options.readings)["place"] = at::full(tokens.sizes(), seen, at::kDouble);
      ++seen;
      return ToyModel::forward(tokens, state, options);
    }
    double seen = 0;
  } model;
  // Lane 1 starts anew in segment 5, so only lane 0 counts there.
  const Batch batch = toy_batch(3, 2, 6, {{0, 0}, {1, 0}, {1, 5}});
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  options.ablations = {"shuffled"};
  options.ablate_every = 100;  // no further forward passes
  const EvaluationReport report = evaluate(model, one_by_one({batch}), options);
  const auto labels = [&](int64_t s) {
    return static_cast<double>(lane_labels(batch, 0, s) + (s < 5 ? lane_labels(batch, 1, s) : 0));
  };
  CHECK(report.readings.at("place") ==
        Approx((labels(1) + 5 * labels(5)) / (labels(1) + labels(5))).epsilon(1e-12));
  State state = model.initial_state(2);
  double change = 0;
  at::NoGradGuard no_grad;
  for (int64_t s = 0; s < 6; ++s) {
    const Tensor before = state.get("memory");
    lane_losses(model, batch, s, state);
    const Tensor share = (state.get("memory") - before).norm(2, {1}) / before.norm(2, {1});
    if (s == 1) change += share.sum().item<double>();
    if (s == 5) change += share[0].item<double>();
  }
  CHECK(report.readings.at("write_norm.memory") == Approx(change / 3).epsilon(1e-9));
}

TEST_CASE("one lane has nobody to be shuffled with") {
  ToyModel model;
  EvaluationOptions options;
  options.compute_dtype = at::kDouble;
  EvaluationReport report = evaluate(model, one_by_one({toy_batch(5, 1, 8)}), options);
  CHECK(report.shuffled.samples == 0);
  CHECK(report.stale.samples == 1);
}

TEST_CASE("Student's quantile agrees with the table") {
  // Abramowitz & Stegun, table 26.10.
  CHECK(student_quantile(1) == Approx(12.706).epsilon(1e-4));
  CHECK(student_quantile(2) == Approx(4.303).epsilon(1e-3));
  CHECK(student_quantile(3) == Approx(3.182).epsilon(1e-3));
  CHECK(student_quantile(5) == Approx(2.571).epsilon(2e-3));
  CHECK(student_quantile(10) == Approx(2.228).epsilon(1e-3));
  CHECK(student_quantile(30) == Approx(2.042).epsilon(1e-3));
  CHECK(student_quantile(100000) == Approx(1.960).epsilon(1e-3));
}

TEST_CASE("equal samples give the classical interval, unequal ones the ratio estimator") {
  PairedEffect equal;
  for (double x : {1.0, 2.0, 3.0, 4.0}) equal.add(10 * x, 10);
  equal.add(0.0, 0);  // without labels it is no sample
  MemoryEffect effect = equal.result();
  CHECK(effect.samples == 4);
  CHECK(effect.difference == Approx(2.5));
  double half =
      student_quantile(3) * std::sqrt(5.0 / 3.0) / 2.0;  // deviation sqrt(5/3), over sqrt(4)
  CHECK(effect.high - effect.difference == Approx(half));
  CHECK(effect.difference - effect.low == Approx(half));
  PairedEffect unequal;
  unequal.add(3.0, 1);
  unequal.add(9.0, 3);
  CHECK(unequal.result().difference == Approx(3.0));
  CHECK(unequal.result().high == Approx(3.0));  // both samples say 3 a label
}
