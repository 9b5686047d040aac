// The training step with MicroRWKV: it learns, its auxiliary loss is trained and reported, a
// resumed run is the same bits.
#include "core/base/random.h"
#include "core/data/batch.h"
#include "core/models/language_model.h"
#include "core/optim/adamw.h"
#include "core/tensor/torch.h"
#include "core/train/trainer.h"
#include "tests/catch.h"

using namespace rmkv;

namespace {

constexpr int64_t kSegmentTokens = 8, kVocabulary = 17, kLanes = 3;

struct Bench {
  explicit Bench(Table changes = {}) {
    Table table{{"architecture", "microrwkv"},
                {"vocabulary", kVocabulary},
                {"channels", 16},
                {"layers", 2},
                {"heads", 4},
                {"key_heads", 2},
                {"block_tokens", 12},
                {"window", 5},
                {"expert_channels", 10}};
    for (auto& [key, value] : changes) table[key] = value;
    model = create_model(table, 1);
    adamw = std::make_unique<Adamw>(model->parameters());
    trainer = std::make_unique<Trainer>(*model, *adamw, 5);
  }
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<Adamw> adamw;
  std::unique_ptr<Trainer> trainer;
};

// Lanes that count upwards from a random start in steps of 1 or 3: learnable, and what comes next
// hangs on what was before.
Batch counting_batch(uint64_t seed, int64_t segments) {
  Batch batch;
  batch.lanes = kLanes;
  batch.segments = segments;
  batch.segment_tokens = kSegmentTokens;
  const int64_t width = segments * kSegmentTokens;
  RandomStream random(seed, "counting");
  Tensor text = at::empty({kLanes, width + 1}, at::kLong);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    const int64_t start = static_cast<int64_t>(random.below(kVocabulary));
    const int64_t step = random.below(2) == 0 ? 1 : 3;
    for (int64_t t = 0; t <= width; ++t) text[lane][t] = (start + step * t) % kVocabulary;
  }
  batch.tokens = text.narrow(1, 0, width).clone();
  batch.labels = text.narrow(1, 1, width).clone();
  batch.resets = at::zeros({kLanes, segments}, at::kBool);
  batch.resets.select(1, 0).fill_(true);
  batch.token_count = batch.label_count = batch.byte_count = batch.labels.numel();
  return batch;
}

StepOptions options_of(double lr, at::ScalarType dtype = at::kFloat) {
  StepOptions options;
  options.lr = lr;
  options.bptt = 2;
  options.compute_dtype = dtype;
  return options;
}

}  // namespace

TEST_CASE("microrwkv learns to count, in both modes and dtypes") {
  for (const char* mode : {"corrected", "published"}) {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      INFO(mode << " " << dtype_name(dtype));
      const bool published = std::string(mode) == "published";
      Bench bench(published ? Table{{"mode", mode}, {"key_heads", 0}} : Table{{"mode", mode}});
      double first = 0, last = 0;
      for (uint64_t step = 0; step < 120; ++step) {
        const StepReport report =
            bench.trainer->step(counting_batch(step, 2), options_of(0.01, dtype));
        last = report.loss.item<double>();
        if (step == 0) first = last;
        CHECK(report.skipped.item<float>() == 0);
        CHECK((report.auxiliary.item<double>() > 0) == !published);
      }
      CHECK(first > 2.7);
      CHECK(last < 0.6);
    }
  }
}

TEST_CASE("microrwkv's auxiliary loss is trained: it alone moves the routers it should") {
  // Same seed and batch: the gradients differ by the auxiliary loss and nothing else.
  std::map<std::string, Tensor> gradients[2];
  double reported[2];
  for (const bool with : {false, true}) {
    Bench bench({{"auxiliary_weight", with ? 0.25 : 0.0}});
    StepOptions options = options_of(0);
    options.clip = 0;
    reported[with] = bench.trainer->step(counting_batch(1, 4), options).auxiliary.item<double>();
    for (const Parameter& parameter : bench.model->parameters().all()) {
      gradients[with][parameter.name] = parameter.value.grad().clone();
    }
  }
  CHECK(reported[0] == 0.0);
  CHECK(reported[1] > 0.2);  // two layers, weight 0.25, about 1 each: a mean, not a sum, of windows
  CHECK(reported[1] < 1.0);
  for (const char* name : {"blocks.0.moe.gate.weight", "blocks.1.moe.gate.bias", "wte.weight"}) {
    INFO(name);
    CHECK((gradients[0].at(name) - gradients[1].at(name)).abs().max().item<double>() > 1e-6);
  }
  // Nothing behind the last router hears of it.
  for (const char* name : {"blocks.1.moe.fc.weight", "ln_f.weight"}) {
    INFO(name);
    CHECK(at::equal(gradients[0].at(name), gradients[1].at(name)));
  }
}

TEST_CASE("microrwkv: a run that is stopped and resumed continues bit for bit") {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    INFO(dtype_name(dtype));
    Bench whole;
    std::map<std::string, Tensor> weights, moments, lanes;
    const auto copied = [](const std::map<std::string, Tensor>& from) {
      std::map<std::string, Tensor> copies;
      for (const auto& [name, tensor] : from) copies[name] = tensor.clone();
      return copies;
    };
    const auto batch_at = [](uint64_t step) {
      Batch batch = counting_batch(step, 1 + static_cast<int64_t>(step % 3));
      if (step % 2 == 1) batch.resets.fill_(false);  // documents go on from step to step
      return batch;
    };
    for (uint64_t step = 0; step < 4; ++step) {
      whole.trainer->step(batch_at(step), options_of(0.01, dtype));
    }
    weights = copied(whole.model->parameters().named_values());
    moments = copied(whole.adamw->state());
    lanes = copied(whole.trainer->state());
    Bench resumed;
    resumed.model->parameters().load(weights);
    resumed.adamw->load_state(moments);
    resumed.trainer->load_state(lanes);
    for (uint64_t step = 4; step < 8; ++step) {
      const StepReport a = whole.trainer->step(batch_at(step), options_of(0.01, dtype)),
                       b = resumed.trainer->step(batch_at(step), options_of(0.01, dtype));
      CHECK(at::equal(a.loss, b.loss));
      CHECK(at::equal(a.auxiliary, b.auxiliary));
    }
    for (const auto& [name, value] : whole.model->parameters().named_values()) {
      INFO(name);
      CHECK(at::equal(value, resumed.model->parameters().get(name).value));
    }
    CHECK(whole.trainer->lanes().equals(resumed.trainer->lanes()));
  }
}
