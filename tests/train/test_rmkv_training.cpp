// The training step with the real architecture: what the toy model proves must hold for its state
// and kernels too.
#include "core/optim/adamw.h"
#include "core/tensor/torch.h"
#include "core/train/evaluate.h"
#include "core/train/score.h"
#include "core/train/trainer.h"
#include "tests/catch.h"
#include "tests/train/toy_batch.h"

using namespace rmkv;

namespace {

constexpr int64_t kSegmentTokens = 8, kVocabulary = 17;

Table config(const Table& changes = {}) {
  Table table = {{"architecture", "rmkv"},
                 {"vocabulary", kVocabulary},
                 {"channels", 16},
                 {"layers", 2},
                 {"heads", 2},
                 {"slots", 3},
                 {"segment_tokens", kSegmentTokens},
                 {"bridge", 4}};
  for (const auto& [key, value] : changes) table[key] = value;
  return table;
}

Batch random_batch(uint64_t seed, int64_t lanes, int64_t segments,
                   const std::vector<std::pair<int64_t, int64_t>>& resets) {
  Batch batch;
  batch.lanes = lanes;
  batch.segments = segments;
  batch.segment_tokens = kSegmentTokens;
  RandomStream random(seed, "batch");
  Tensor text = at::empty({lanes, segments * kSegmentTokens + 1}, at::kLong);
  for (int64_t i = 0; i < text.numel(); ++i)
    text.data_ptr<int64_t>()[i] = random.below(kVocabulary);
  batch.tokens = text.narrow(1, 0, segments * kSegmentTokens).clone();
  batch.labels = text.narrow(1, 1, segments * kSegmentTokens).clone();
  batch.resets = at::zeros({lanes, segments}, at::kBool);
  for (auto [lane, segment] : resets) batch.resets[lane][segment] = true;
  batch.token_count = batch.label_count = batch.byte_count = batch.labels.numel();
  return batch;
}

struct Bench {
  explicit Bench(const Table& table, at::ScalarType dtype = at::kFloat, uint64_t seed = 1)
      : model(create_model(table, seed, dtype)),
        adamw(model->parameters()),
        trainer(*model, adamw, 5) {}
  std::unique_ptr<LanguageModel> model;
  Adamw adamw;
  Trainer trainer;
};

std::map<std::string, Tensor> copied(const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, Tensor> copies;
  for (const auto& [name, tensor] : tensors) copies[name] = tensor.clone();
  return copies;
}

std::map<std::string, Tensor> gradients(LanguageModel& model) {
  std::map<std::string, Tensor> result;
  for (const Parameter& parameter : model.parameters().all())
    result[parameter.name] = parameter.value.grad().clone();
  return result;
}

// The largest difference relative to the largest gradient of the parameter.
void check_equal_gradients(const std::map<std::string, Tensor>& a,
                           const std::map<std::string, Tensor>& b, double tolerance) {
  for (const auto& [name, gradient] : a) {
    INFO(name);
    double scale = std::max(gradient.abs().max().item<double>(), 1e-12);
    CHECK((gradient - b.at(name)).abs().max().item<double>() / scale < tolerance);
  }
}

StepOptions still(int64_t bptt, bool replay = false) {
  StepOptions options;
  options.lr = 0;
  options.clip = 0;
  options.bptt = bptt;
  options.replay = replay;
  options.compute_dtype = at::kDouble;
  return options;
}

}  // namespace

TEST_CASE("rmkv: windows between documents and replay give the gradient of one window") {
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    INFO(cell);
    Bench bench(config({{"cell", cell}, {"store", true}}), at::kDouble);
    Batch batch = random_batch(1, 2, 4, {{0, 0}, {1, 0}, {0, 2}, {1, 2}});
    bench.trainer.step(batch, still(4));
    auto whole = gradients(*bench.model);
    bench.trainer.step(batch, still(2));
    check_equal_gradients(whole, gradients(*bench.model), 1e-9);
    bench.trainer.step(batch, still(4, /*replay=*/true));
    check_equal_gradients(whole, gradients(*bench.model), 1e-9);
    bench.trainer.step(batch, still(1));
    double change = 0;
    for (const auto& [name, gradient] : gradients(*bench.model)) {
      change = std::max(change, (gradient - whole.at(name)).abs().max().item<double>());
    }
    CHECK(change > 1e-6);  // here documents are cut
  }
}

TEST_CASE("rmkv: every parameter gets a gradient") {
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    INFO(cell);
    Bench bench(config({{"cell", cell}, {"store", true}}), at::kDouble);
    StepOptions options = still(4);
    options.lr = 0.01;  // the store's projection starts at zero: what lies before it gets its
                        // gradient in the second step
    Batch batch = random_batch(2, 2, 4, {{0, 0}, {1, 0}});
    for (int i = 0; i < 3; ++i) bench.trainer.step(batch, options);
    for (const auto& [name, gradient] : gradients(*bench.model)) {
      INFO(name);
      CHECK(gradient.abs().max().item<double>() > 0);
    }
  }
}

TEST_CASE("rmkv: a run that is stopped and resumed continues bit for bit") {
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    INFO(dtype_name(dtype));
    StepOptions options;
    options.lr = 0.01;
    options.bptt = 2;
    options.compute_dtype = dtype;
    options.state_passing = 0.5;
    options.spike = 2.0;
    auto batch_at = [](int64_t step) {
      return random_batch(50 + step, 3, 1 + step % 3, {{step % 3, 0}, {(step + 1) % 3, step % 3}});
    };
    Bench straight(config({{"store", true}}));
    std::vector<float> losses;
    for (int64_t step = 0; step < 8; ++step) {
      losses.push_back(straight.trainer.step(batch_at(step), options).loss.item<float>());
    }
    Bench first(config({{"store", true}}));
    for (int64_t step = 0; step < 4; ++step) first.trainer.step(batch_at(step), options);
    Bench second(first.model->config(), at::kFloat, 99);
    second.model->parameters().load(copied(first.model->parameters().named_values()));
    second.adamw.load_state(copied(first.adamw.state()));
    second.trainer.load_state(copied(first.trainer.state()));
    for (int64_t step = 4; step < 8; ++step) {
      CHECK(second.trainer.step(batch_at(step), options).loss.item<float>() == losses[step]);
    }
    for (const auto& [name, value] : straight.model->parameters().named_values()) {
      INFO(name);
      CHECK(value.equal(second.model->parameters().get(name).value.detach()));
    }
    CHECK(second.trainer.lanes().equals(straight.trainer.lanes()));
  }
}

TEST_CASE("rmkv: training learns a repeated text") {
  Bench bench(config());
  StepOptions options;
  options.lr = 0.01;
  Batch batch = random_batch(3, 2, 4, {{0, 0}, {1, 0}});
  float first = bench.trainer.step(batch, options).loss.item<float>(), last = 0;
  for (int i = 0; i < 80; ++i) last = bench.trainer.step(batch, options).loss.item<float>();
  CHECK(first > 2.0f);  // ln 17 = 2.83
  CHECK(last < 0.5f * first);
}

TEST_CASE("rmkv: evaluation finds the memory that training used, and scores agree with losses") {
  Bench bench(config());
  BatchSource none = [](Batch&) { return false; };
  Batch batch = random_batch(4, 2, 6, {{0, 0}, {1, 0}});
  int given = 0;
  EvaluationReport report = evaluate(*bench.model, [&](Batch& next) {
    next = batch;
    return given++ == 0;
  });
  CHECK(report.labels == batch.label_count);
  CHECK(report.zeroed.labels > 0);
  CHECK(report.shuffled.difference != 0.0);
  CHECK(std::isnan(evaluate(*bench.model, none).loss));

  // The first lane's text as context and continuation: the same log-probabilities as in the loss.
  std::vector<int64_t> ids(batch.tokens.data_ptr<int64_t>(), batch.tokens.data_ptr<int64_t>() + 20);
  double whole = score(*bench.model, {ids[0]}, {{ids.begin() + 1, ids.end()}})[0];
  double first = score(*bench.model, {ids[0]}, {{ids.begin() + 1, ids.begin() + 11}})[0];
  double rest = score(*bench.model, {ids.begin(), ids.begin() + 11},
                      {{ids.begin() + 11, ids.end()}, {ids[11]}})[0];
  CHECK(first + rest == Approx(whole).epsilon(1e-4));
}
