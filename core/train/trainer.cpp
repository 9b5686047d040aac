// The step: windows of segments, then clipping and the update, all without reading from the device.
#include "core/train/trainer.h"

#include <algorithm>

#include "core/base/cancel.h"
#include "core/base/random.h"
#include "core/kernels/loss.h"
#include "core/optim/clip.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// Losses before the running average is trusted, and its share of a new loss.
constexpr double kSettledLosses = 20;
constexpr double kAverageRate = 0.02;

// RWKV-LM's factor (src/model.py, L2Wrap).
double usual_l2_wrap(const ModelFacts& facts) {
  return facts.architecture.rfind("rwkv", 0) == 0 ? 1e-4 : 0;
}

void check_batch(const Batch& batch, const ModelFacts& facts) {
  int64_t width = batch.segments * batch.segment_tokens;
  check_shape(batch.tokens, "batch.tokens", {batch.lanes, width}, "BT");
  check_shape(batch.labels, "batch.labels", {batch.lanes, width}, "BT");
  if (batch.valid.defined()) check_shape(batch.valid, "batch.valid", {batch.lanes, width}, "BT");
  check_shape(batch.resets, "batch.resets", {batch.lanes, batch.segments}, "BS");
  if (batch.weights.defined())
    check_shape(batch.weights, "batch.weights", {batch.lanes, width}, "BT");
  if (batch.lanes < 1 || batch.segments < 1) {
    fail("batch",
         std::to_string(batch.lanes) + " lanes of " + std::to_string(batch.segments) + " segments",
         "at least one of each");
  }
  if (facts.segment_tokens == 0) return;
  if (batch.segment_tokens < 1 || batch.segment_tokens > facts.segment_tokens) {
    fail("batch.segment_tokens", std::to_string(batch.segment_tokens),
         "1 .. " + std::to_string(facts.segment_tokens) + ", the model's segment");
  }
}

}  // namespace

Trainer::Trainer(LanguageModel& model, Optimizer& optimizer, uint64_t seed)
    : model_(model), optimizer_(optimizer), seed_(seed) {
  RMKV_ASSERT(&optimizer.parameters() == &model.parameters());
  auto options = at::TensorOptions().dtype(at::kFloat).device(model.parameters().device());
  loss_average_ = at::zeros({1}, options);
  losses_seen_ = at::zeros({1}, options);
}

void Trainer::prepare_lanes(const Batch& batch) {
  if (lanes_.tensors().empty() && lanes_.counters().empty()) {
    at::NoGradGuard no_grad;
    lanes_ = model_.initial_state(batch.lanes);
  }
  if (!lanes_.tensors().empty() && lanes_.batch() != batch.lanes) {
    fail("train.step", "a batch of " + std::to_string(batch.lanes) + " lanes",
         std::to_string(lanes_.batch()) + " lanes, as in the step before",
         "the number of lanes is fixed for a run: vary the number of segments instead");
  }
}

// Lanes whose document starts in `segment` may start from what another lane remembered at the start
// of this step. Returns the resets (bool [B, S], a copy where changed) without those that were
// replaced.
Tensor Trainer::pass_states(const Batch& batch, const StepOptions& options, int64_t segment,
                            Tensor resets, State& lanes) const {
  std::vector<int64_t> takers, givers;
  // One stream per (step, segment), two words per lane: a lane's luck does not depend on the
  // others'.
  RandomStream random(seed_, "state_passing", mix64(static_cast<uint64_t>(step_count_), segment));
  auto starts = resets.accessor<bool, 2>();
  for (int64_t lane = 0; lane < batch.lanes; ++lane) {
    double luck = random.uniform();
    uint64_t other = random.below(static_cast<uint64_t>(batch.lanes - 1));
    if (!starts[lane][segment] || luck >= options.state_passing) continue;
    takers.push_back(lane);
    givers.push_back(static_cast<int64_t>(other) + (static_cast<int64_t>(other) >= lane ? 1 : 0));
  }
  if (takers.empty()) return resets;
  at::NoGradGuard no_grad;
  State passed = model_.initial_state(static_cast<int64_t>(takers.size()));
  Tensor index = at::tensor(givers, at::kLong).to(model_.parameters().device());
  for (const std::string& name : model_.memory_names(lanes_)) {
    passed.set(name, lanes_.get(name).index_select(0, index));
  }
  lanes.assign_lanes(takers, passed);
  resets = resets.clone();
  for (int64_t lane : takers) resets[lane][segment].fill_(false);
  return resets;
}

void Trainer::keep_whole_lanes(State& lanes) const {
  Tensor whole;  // bool [B]
  for (const std::string& name : model_.memory_names(lanes)) {
    const Tensor& tensor = lanes.get(name);
    if (tensor.numel() == 0) continue;
    // One pass: a sum is finite only where every summand is.
    const auto wide = tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor finite = tensor.flatten(1).sum(1, false, wide).isfinite();
    whole = whole.defined() ? whole.logical_and(finite) : finite;
  }
  // On a device nobody waits for the answer: the copies are made whether it is needed or not.
  if (!whole.defined() || (whole.is_cpu() && whole.all().item<bool>())) return;
  const auto before = lanes_.tensors();
  for (const auto& [name, tensor] : before) {
    const Tensor& now = lanes.get(name);
    if (now.sizes() != tensor.sizes()) continue;
    std::vector<int64_t> shape(static_cast<size_t>(now.dim()), 1);
    shape[0] = now.size(0);
    lanes.set(name, at::where(whole.view(shape), now, tensor));
  }
}

// Keeps the running average of the loss and tells (fp32 [1]) whether this one is a spike or not
// finite.
Tensor Trainer::watch_loss(const Tensor& loss, double spike) {
  Tensor value = loss.reshape({1});
  Tensor finite = value.isfinite();
  Tensor limit = loss_average_ * (spike > 0 ? spike : 2.0);
  Tensor bad = finite.logical_not();
  if (spike > 0) bad = bad.logical_or((losses_seen_ >= kSettledLosses).logical_and(value > limit));
  // A spike moves the average as far as the limit would: a lasting change of the loss is followed
  // in time.
  Tensor first = losses_seen_ == 0;
  Tensor bounded = at::where(first, value, at::minimum(value, limit));
  Tensor rate = at::where(first, 1.0, kAverageRate).to(at::kFloat);
  Tensor next = loss_average_ + rate * (bounded - loss_average_);
  loss_average_ = at::where(finite, next, loss_average_);
  losses_seen_ = losses_seen_ + finite.to(at::kFloat);
  return bad.to(at::kFloat);
}

StepReport Trainer::step(const Batch& batch, const StepOptions& options) {
  check_cancelled("train.step");
  check_batch(batch, model_.facts());
  prepare_lanes(batch);
  ParameterStore& parameters = model_.parameters();
  at::Device device = parameters.device();
  at::AutoGradMode with_gradients(batch.label_count > 0);
  parameters.zero_gradients();

  Tensor tokens = batch.tokens.to(device, /*non_blocking=*/true);
  Tensor labels = batch.labels.to(device, true);
  Tensor valid = batch.valid.defined() ? batch.valid.to(device, true) : Tensor();
  Tensor weights = batch.weights.defined() ? batch.weights.to(device, true) : Tensor();
  Tensor resets = batch.resets;
  ForwardOptions forward;
  forward.compute_dtype = options.compute_dtype;
  forward.replay = options.replay;
  forward.segment_tokens =
      batch.segment_tokens == model_.facts().segment_tokens ? 0 : batch.segment_tokens;
  kernels::HeadLossOptions head;
  head.scale = 1.0 / static_cast<double>(std::max<int64_t>(batch.label_count, 1));
  head.z_loss = options.z_loss;
  head.chunk_rows = options.chunk_rows;
  head.l2_wrap = options.l2_wrap >= 0 ? options.l2_wrap : usual_l2_wrap(model_.facts());

  State lanes = lanes_;
  Tensor loss = at::zeros({}, loss_average_.options()), auxiliary = loss.clone();
  for (int64_t first = 0; first < batch.segments; first += options.bptt) {
    check_cancelled("train.step");
    int64_t count = std::min(options.bptt, batch.segments - first);
    if (options.state_passing > 0 && batch.lanes > 1) {
      resets = pass_states(batch, options, first, resets, lanes);
    }
    int64_t begin = first * batch.segment_tokens, width = count * batch.segment_tokens;
    auto window = [&](const Tensor& rows) { return rows.narrow(1, begin, width); };
    forward.valid = valid.defined() ? window(valid) : Tensor();
    forward.resets = resets.narrow(1, first, count).to(device, true);
    Tensor hidden = model_.forward(window(tokens), lanes, forward);
    if (batch.label_count > 0) {
      auto [part, plain] = kernels::weighted_head_loss(
          hidden.reshape({-1, hidden.size(-1)}), model_.head_weight(), window(labels).reshape({-1}),
          weights.defined() ? window(weights).reshape({-1}) : Tensor(), head);
      loss.add_(plain.detach().to(at::kFloat));
      if (Tensor extra = model_.take_auxiliary_loss(); extra.defined()) {
        // A mean over the window's tokens, so windows count by their share of the batch.
        extra = extra * (static_cast<double>(count) / static_cast<double>(batch.segments));
        auxiliary.add_(extra.detach().to(at::kFloat));
        part = part + extra.to(part.scalar_type());
      }
      part.backward();
    }
    lanes.detach();
  }

  at::NoGradGuard no_grad;
  StepReport report{
      loss, auxiliary, {}, {}, batch.token_count, batch.label_count, batch.byte_count};
  ClipResult clip = clip_gradients(parameters, options.clip);
  report.gradient_norm = clip.norm;
  if (batch.label_count > 0) {
    Tensor bad = watch_loss(loss, options.spike);
    report.skipped = at::maximum(clip.broken.reshape({1}), bad).reshape({});
    optimizer_.step({options.lr, clip.divisor, report.skipped});
  } else {
    report.skipped = at::ones_like(clip.broken);  // nothing was trained
  }
  keep_whole_lanes(lanes);
  lanes_ = std::move(lanes);
  ++step_count_;
  return report;
}

void Trainer::set_lanes(State lanes) {
  lanes.detach();
  lanes_ = std::move(lanes);
}

std::map<std::string, Tensor> Trainer::state() const {
  std::map<std::string, Tensor> state{{"trainer.steps", at::full({1}, step_count_, at::kLong)},
                                      {"trainer.loss_average", loss_average_},
                                      {"trainer.losses_seen", losses_seen_}};
  for (const auto& [name, tensor] : lanes_.tensors()) state["lane." + name] = tensor;
  for (const auto& [name, value] : lanes_.counters()) {
    state["counter." + name] = at::full({1}, value, at::kLong);
  }
  return state;
}

void Trainer::load_state(const std::map<std::string, Tensor>& state) {
  at::Device device = model_.parameters().device();
  State lanes;
  const Tensor* own[3] = {};
  for (const auto& [name, tensor] : state) {
    if (name.rfind("lane.", 0) == 0) {
      lanes.set(name.substr(5), tensor.to(device, tensor.scalar_type(), false, /*copy=*/true));
    } else if (name.rfind("counter.", 0) == 0) {
      lanes.set_counter(name.substr(8), tensor.item<int64_t>());
    } else if (name == "trainer.steps") {
      own[0] = &tensor;
    } else if (name == "trainer.loss_average") {
      own[1] = &tensor;
    } else if (name == "trainer.losses_seen") {
      own[2] = &tensor;
    } else {
      fail("trainer.load_state", "'" + name + "'", "lane.*, counter.* or trainer.*");
    }
  }
  for (const Tensor* tensor : own) {
    if (!tensor)
      fail("trainer.load_state", "a part of trainer.* missing", "a trainer's saved state");
    check_shape(*tensor, "trainer.load_state", {1}, "");
  }
  lanes_ = std::move(lanes);
  step_count_ = own[0]->item<int64_t>();
  loss_average_ = own[1]->to(device, at::kFloat, false, true);
  losses_seen_ = own[2]->to(device, at::kFloat, false, true);
}

}  // namespace rmkv
