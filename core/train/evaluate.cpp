// Segment by segment: true losses first, then the same segment with another memory.
#include "core/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "core/base/cancel.h"
#include "core/base/random.h"
#include "core/kernels/loss.h"
#include "core/memory/measures.h"
#include "core/tensor/torch.h"
#include "core/train/paired_effect.h"

namespace rmkv {

namespace {

constexpr int64_t kSampleSegments = 16;  // longer documents are cut into several samples
constexpr int64_t kAges = 9;             // entries of loss_by_age
constexpr int64_t kReadingSegments = 4;  // readings are taken in every fourth segment
enum Ablation { kShuffled, kZeroed, kInitial, kStale, kAblations };
const std::vector<std::string> kAblationNames = {"shuffled", "zeroed", "initial", "stale"};

// What one segment of all lanes gave: fp64 sums and label counts per lane.
struct LaneSums {
  std::vector<double> loss;
  std::vector<int64_t> labels;
};

class Evaluator {
 public:
  Evaluator(LanguageModel& model, const EvaluationOptions& options)
      : model_(model), options_(options) {
    forward_.compute_dtype = options.compute_dtype;
    std::fill(asked_, asked_ + kAblations, options.ablations.empty());
    for (const std::string& name : options.ablations) {
      const auto at = std::find(kAblationNames.begin(), kAblationNames.end(), name);
      if (at == kAblationNames.end())
        fail_because("evaluate.ablations", unknown_name_text("ablation", name, kAblationNames));
      asked_[at - kAblationNames.begin()] = true;
    }
  }

  void add(const Batch& batch) {
    at::Device device = model_.parameters().device();
    prepare(batch);
    forward_.segment_tokens =
        batch.segment_tokens == model_.facts().segment_tokens ? 0 : batch.segment_tokens;
    Tensor tokens = batch.tokens.to(device), labels = batch.labels.to(device);
    Tensor valid = batch.valid.defined() ? batch.valid.to(device) : Tensor();
    for (int64_t s = 0; s < batch.segments; ++s) {
      check_cancelled("evaluate");
      int64_t begin = s * batch.segment_tokens;
      auto window = [&](const Tensor& rows) { return rows.narrow(1, begin, batch.segment_tokens); };
      forward_.valid = valid.defined() ? window(valid) : Tensor();
      forward_.resets = batch.resets.narrow(1, s, 1).to(device);
      segment(batch, s, window(tokens), window(labels));
    }
    report_.tokens += batch.token_count;
    report_.bytes += batch.byte_count;
  }

  EvaluationReport finish() {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    for (int64_t lane = 0; lane < static_cast<int64_t>(ages_.size()); ++lane) close_sample(lane);
    double total = 0.0;
    for (auto& [source, entry] : report_.sources) {
      total += entry.loss;
      report_.labels += entry.labels;
      entry.bits_per_byte = entry.bytes ? entry.loss / (entry.bytes * std::log(2.0)) : kNone;
      entry.loss = entry.labels ? entry.loss / entry.labels : kNone;
    }
    report_.loss = report_.labels ? total / report_.labels : kNone;
    report_.bits_per_byte = report_.bytes ? total / (report_.bytes * std::log(2.0)) : kNone;
    for (int64_t age = 0; age < kAges; ++age) {
      report_.loss_by_age.push_back(age_labels_[age] ? age_loss_[age] / age_labels_[age] : kNone);
    }
    report_.shuffled = effects_[kShuffled].result();
    report_.zeroed = effects_[kZeroed].result();
    report_.initial = effects_[kInitial].result();
    report_.stale = effects_[kStale].result();
    for (const auto& [name, sum] : readings_) report_.readings[name] = sum.first / sum.second;
    return report_;
  }

 private:
  void prepare(const Batch& batch) {
    if (ages_.empty()) {
      lanes_ = model_.initial_state(batch.lanes);
      initial_ = lanes_;
      ages_.assign(batch.lanes, 0);
      sample_segments_.assign(batch.lanes, 0);
      for (auto& sums : open_)
        sums = {std::vector<double>(batch.lanes), std::vector<int64_t>(batch.lanes)};
    }
    if (static_cast<int64_t>(ages_.size()) != batch.lanes) {
      fail("evaluate", "a batch of " + std::to_string(batch.lanes) + " lanes",
           std::to_string(ages_.size()) + ", as in the batch before");
    }
  }

  // Runs one segment from `state` (advanced in place).
  LaneSums run(State& state, const Tensor& tokens, const Tensor& labels) {
    Tensor hidden = model_.forward(tokens, state, forward_);
    Tensor losses = kernels::head_losses(hidden.reshape({-1, hidden.size(-1)}),
                                         model_.head_weight(), labels.reshape({-1}));
    Tensor sums = losses.to(at::kDouble).view(labels.sizes()).sum(1).to(at::kCPU);
    Tensor counts = labels.ne(kIgnoreLabel).sum(1).to(at::kCPU);
    return {{sums.data_ptr<double>(), sums.data_ptr<double>() + sums.numel()},
            {counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + counts.numel()}};
  }

  void segment(const Batch& batch, int64_t s, const Tensor& tokens, const Tensor& labels) {
    auto resets = batch.resets.accessor<bool, 2>();
    for (int64_t lane = 0; lane < batch.lanes; ++lane) {
      if (resets[lane][s]) {
        close_sample(lane);
        ages_[lane] = 0;
      }
    }
    State before = lanes_;
    std::vector<std::string> names =
        options_.memory ? model_.memory_names(before) : std::vector<std::string>();
    const bool reads = !names.empty() && segment_index_ % kReadingSegments == 1 &&
                       *std::max_element(ages_.begin(), ages_.end()) > 0;
    std::map<std::string, Tensor> readings;
    if (reads) forward_.readings = &readings;
    LaneSums truth = run(lanes_, tokens, labels);
    forward_.readings = nullptr;
    count(batch, s, truth);
    if (reads) take_readings(readings, before, names, labels);
    if (!names.empty()) {
      const bool now = static_cast<int64_t>(segment_index_) % options_.ablate_every == 0;
      for (int kind = 0; kind < kAblations; ++kind) {
        if (now && asked_[kind]) ablate(kind, names, before, tokens, labels, truth);
      }
      history_.push_back(before);
      if (static_cast<int64_t>(history_.size()) > options_.stale_segments) history_.pop_front();
    }
    for (int64_t lane = 0; lane < batch.lanes; ++lane) {
      ++ages_[lane];
      if (++sample_segments_[lane] == kSampleSegments) close_sample(lane);
    }
    ++segment_index_;
  }

  // Segments of its document that must lie behind a lane before an ablation means something there:
  // the state before its first segment still holds the document before (the reset comes inside
  // forward).
  int64_t least_age(int kind) const { return kind == kStale ? options_.stale_segments + 1 : 1; }

  void ablate(int kind, const std::vector<std::string>& names, const State& before,
              const Tensor& tokens, const Tensor& labels, const LaneSums& truth) {
    int64_t lanes = static_cast<int64_t>(ages_.size());
    bool any = std::any_of(ages_.begin(), ages_.end(),
                           [&](int64_t age) { return age >= least_age(kind); });
    if (!any || (kind == kShuffled && lanes < 2)) return;
    State changed = before;
    int64_t shift = 0;
    if (kind == kShuffled) {  // a rotation by less than a full turn leaves no lane in its place
      RandomStream random(options_.seed, "derangement", segment_index_);
      shift = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(lanes - 1)));
    }
    for (const std::string& name : names) {
      const Tensor& value = before.get(name);
      if (kind == kShuffled) changed.set(name, at::roll(value, shift, 0));
      if (kind == kZeroed) changed.set(name, at::zeros_like(value));
      if (kind == kInitial) changed.set(name, initial_.get(name));
      if (kind == kStale) changed.set(name, history_.front().get(name));
    }
    LaneSums sums = run(changed, tokens, labels);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      if (ages_[lane] < least_age(kind)) continue;
      open_[kind].loss[lane] += sums.loss[lane] - truth.loss[lane];
      open_[kind].labels[lane] += truth.labels[lane];
    }
  }

  // Means over what belongs to running documents: readings [B, T] over labels, probes and writes
  // over lanes.
  void take_readings(const std::map<std::string, Tensor>& readings, const State& before,
                     const std::vector<std::string>& names, const Tensor& labels) {
    const Tensor running = at::tensor(ages_, at::kLong).gt(0).to(labels.device());
    const auto add = [&](const std::string& name, const Tensor& values, const Tensor& counted) {
      const Tensor weights = counted.to(at::kDouble);
      auto& [sum, count] = readings_[name];
      sum += (values.to(at::kDouble) * weights).sum().item<double>();
      count += weights.sum().item<double>();
    };
    const Tensor counted = labels.ne(kIgnoreLabel).logical_and(running.unsqueeze(1));
    for (const auto& [name, values] : readings) add(name, values, counted);
    for (const std::string& name : model_.probe_names()) {
      if (name.rfind("slot_cosine", 0) == 0 || name.rfind("rank", 0) == 0)
        add(name, model_.probe(name, lanes_), running);
    }
    for (const std::string& name : names)
      add("write_norm." + name, write_norm(before.get(name), lanes_.get(name)), running);
  }

  void count(const Batch& batch, int64_t s, const LaneSums& truth) {
    for (int64_t lane = 0; lane < batch.lanes; ++lane) {
      int64_t source = batch.sources.defined() ? batch.sources[lane][s].item<int64_t>() : 0;
      SourceLoss& entry = report_.sources[source];
      entry.loss += truth.loss[lane];
      entry.labels += truth.labels[lane];
      if (batch.bytes.defined()) entry.bytes += batch.bytes[lane][s].item<int64_t>();
      int64_t age = std::min(ages_[lane], kAges - 1);
      age_loss_[age] += truth.loss[lane];
      age_labels_[age] += truth.labels[lane];
    }
  }

  void close_sample(int64_t lane) {
    for (int kind = 0; kind < kAblations; ++kind) {
      effects_[kind].add(open_[kind].loss[lane], open_[kind].labels[lane]);
      open_[kind].loss[lane] = 0.0;
      open_[kind].labels[lane] = 0;
    }
    sample_segments_[lane] = 0;
  }

  LanguageModel& model_;
  const EvaluationOptions& options_;
  ForwardOptions forward_;
  State lanes_, initial_;
  std::deque<State> history_;  // states before the last segments, the oldest first
  std::vector<int64_t> ages_;  // segments of the running document that each lane has behind it
  std::vector<int64_t> sample_segments_;
  LaneSums open_[kAblations];  // the sample each lane is in
  PairedEffect effects_[kAblations];
  bool asked_[kAblations] = {};
  std::map<std::string, std::pair<double, double>> readings_;  // sum, count
  double age_loss_[kAges] = {};
  int64_t age_labels_[kAges] = {};
  uint64_t segment_index_ = 0;
  EvaluationReport report_;
};

}  // namespace

EvaluationReport evaluate(LanguageModel& model, const BatchSource& batches,
                          const EvaluationOptions& options) {
  if (options.stale_segments < 1) {
    fail("evaluate.stale_segments", std::to_string(options.stale_segments), "1 or more");
  }
  if (options.ablate_every < 1)
    fail("evaluate.ablate_every", std::to_string(options.ablate_every), "1 or more");
  at::NoGradGuard no_grad;
  Evaluator evaluator(model, options);
  Batch batch;
  int64_t tokens = 0;
  while ((options.max_tokens == 0 || tokens < options.max_tokens) && batches(batch)) {
    evaluator.add(batch);
    tokens += batch.token_count;
  }
  return evaluator.finish();
}

}  // namespace rmkv
