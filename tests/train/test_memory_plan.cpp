// The planned bytes of a training step against a measured one, and the sizes the plans promise.
#include "core/train/memory_plan.h"

#include "core/base/random.h"
#include "core/kernels/linear.h"
#include "core/optim/muon.h"
#include "core/tensor/torch.h"
#include "core/train/trainer.h"
#include "tests/catch.h"
#include "tests/train/live_bytes.h"

using namespace rmkv;

namespace {

constexpr int64_t kVocabulary = 600, kSegmentTokens = 64;

// Shapes like the preset small's: heads of 32 channels, so that every fused operation is used.
Table config(const Table& changes) {
  Table table = {{"architecture", "rmkv"},
                 {"vocabulary", kVocabulary},
                 {"channels", 128},
                 {"layers", 4},
                 {"heads", 4},
                 {"slots", 8},
                 {"segment_tokens", kSegmentTokens},
                 {"bridge", 16}};
  for (const auto& [key, value] : changes) table[key] = value;
  return table;
}

Batch random_batch(int64_t lanes, int64_t segments) {
  Batch batch;
  batch.lanes = lanes;
  batch.segments = segments;
  batch.segment_tokens = kSegmentTokens;
  RandomStream random(3, "batch");
  batch.tokens = at::empty({lanes, segments * kSegmentTokens}, at::kLong);
  for (int64_t i = 0; i < batch.tokens.numel(); ++i) {
    batch.tokens.data_ptr<int64_t>()[i] = static_cast<int64_t>(random.below(kVocabulary));
  }
  batch.labels = batch.tokens.roll(-1, 1);
  batch.resets = at::zeros({lanes, segments}, at::kBool);
  batch.token_count = batch.label_count = batch.byte_count = batch.tokens.numel();
  return batch;
}

}  // namespace

TEST_CASE("the planned bytes are those of a measured step") {
  struct Case {
    const char* name;
    Table changes;
    MemoryPlanOptions options;
  };
  const auto options = [](at::ScalarType dtype, bool replay, kernels::MomentState state) {
    MemoryPlanOptions result;
    result.compute_dtype = dtype;
    result.replay = replay;
    result.state = state;
    return result;
  };
  using kernels::MomentState;
  const Case cases[] = {
      {"bf16", {}, options(at::kBFloat16, false, MomentState::kFull)},
      {"fp32", {}, options(at::kFloat, false, MomentState::kFull)},
      {"bf16, replay, 8 bits", {}, options(at::kBFloat16, true, MomentState::k8Bit)},
      {"few memory layers",
       {{"memory_layers", List{2, 4}}},
       options(at::kBFloat16, false, MomentState::kBf16)},
      {"store",
       {{"store", true}, {"memory_layers", List{2, 4}}},
       options(at::kBFloat16, false, MomentState::kFull)},
      {"store, replay",
       {{"store", true}, {"memory_layers", List{2, 4}}},
       options(at::kBFloat16, true, MomentState::k8Bit)},
  };
  for (const Case& test : cases) {
    INFO(test.name);
    const Table table = config(test.changes);
    const MemoryPlan plan = plan_memory(table, test.options);
    const auto model = create_model(table, 1);
    CHECK(plan.parameters == model->parameters().element_count());
    kernels::forget_converted_weights();  // of the models before, which would be freed now
    LiveBytes live;
    Adamw adamw(model->parameters(),
                AdamwOptions::from_table({{"state", moment_state_name(test.options.state)}}));
    CHECK(static_cast<double>(live.now()) ==
          Approx(static_cast<double>(plan.moment_bytes)).epsilon(0.01));
    Trainer trainer(*model, adamw);
    StepOptions step;
    step.compute_dtype = test.options.compute_dtype;
    step.replay = test.options.replay;
    step.bptt = test.options.bptt;
    const Batch batch = random_batch(test.options.lanes, test.options.segments);
    trainer.step(batch, step);
    // After a step nothing is left but moments, working copies and the memory of the lanes.
    const int64_t lanes = plan.copy_bytes + plan.moment_bytes;
    CHECK(live.now() < lanes + (1 << 20));
    CHECK(live.now() > lanes * 0.98);
    live.restart();
    trainer.step(batch, step);
    const int64_t planned =
        plan.copy_bytes + plan.moment_bytes + plan.activation_bytes + plan.head_bytes;
    CHECK(static_cast<double>(live.peak()) == Approx(static_cast<double>(planned)).epsilon(0.08));
  }
}

TEST_CASE("Muon keeps one moment of its matrices, as planned") {
  using kernels::MomentState;
  for (const auto state : {MomentState::kFull, MomentState::k8Bit}) {
    const Table table = config({});
    MemoryPlanOptions options;
    options.state = state;
    const int64_t adamw_bytes = plan_memory(table, options).moment_bytes;
    options.muon = true;
    const int64_t planned = plan_memory(table, options).moment_bytes;
    if (state == MomentState::kFull) CHECK(planned < adamw_bytes * 3 / 4);
    const auto model = create_model(table, 1);
    LiveBytes live;
    const Muon muon(model->parameters(), model->facts().vocabulary,
                    MuonOptions::from_table({{"state", moment_state_name(state)}}, {}));
    CHECK(static_cast<double>(live.now()) == Approx(static_cast<double>(planned)).epsilon(0.01));
  }
}

TEST_CASE("1.2 billion parameters fit in 30 GB with room to spare, and planning takes no memory") {
  Table table = preset_config("rmkv", "1b");
  table["vocabulary"] = 30000;
  table["store"] = true;
  MemoryPlanOptions options;
  options.compute_dtype = at::kBFloat16;
  options.state = kernels::MomentState::k8Bit;
  options.replay = true;
  LiveBytes live;
  const MemoryPlan plan = plan_memory(table, options);
  CHECK(live.peak() < 1 << 20);
  CHECK(plan.parameters > 1150000000);
  CHECK(plan.parameters < 1300000000);
  // Twelve bytes a parameter: value, gradient, working copy, moments.
  const int64_t fixed =
      plan.parameter_bytes + plan.gradient_bytes + plan.copy_bytes + plan.moment_bytes;
  CHECK(static_cast<double>(fixed) / static_cast<double>(plan.parameters) ==
        Approx(12.0).epsilon(0.01));
  CHECK(plan.total_bytes() < 27'000'000'000);
  CHECK(plan.replay_activation_bytes < plan.plain_activation_bytes / 2);
}

TEST_CASE("other architectures are planned without their activations") {
  for (const char* name : {"rwkv7", "microrwkv"}) {
    Table table = preset_config(name, "tiny");
    table["vocabulary"] = 500;
    const MemoryPlan plan = plan_memory(table, {});
    CHECK(plan.parameters == create_model(table, 1)->parameters().element_count());
    CHECK(plan.activation_bytes == 0);
    CHECK(plan.moment_bytes == 2 * plan.parameter_bytes);
  }
}
