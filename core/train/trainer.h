// One training step over the segments of a batch: truncated backpropagation through the memory of
// the lanes.
//
// A step runs the batch in windows of k segments.  Each window is one forward, one chunked
// head-and-loss and one backward; gradients add up in the flat buffers and the lane state is
// detached between windows.  The loss is the mean over the trained labels of the whole batch, so
// windows add up to the gradient of one big window (where the detaching does not cut).  Then
// clipping and the update follow.  Nothing waits for the device: reports hold tensors.
//
// Loss weights of a batch are factors on each label's loss and gradient: twice the weight is twice
// the gradient of that label, whatever the others weigh, since the divisor stays the number of
// trained labels.  The reported loss counts every trained label once, so losses and bits per byte
// (loss * labels / (bytes * ln 2)) mean the same with any weights, and the same as in evaluate.h.
//
// Lane state lives from step to step: a document longer than a batch goes on where it stopped.  A
// lane whose memory came out of a step not finite goes on with the one it had before: otherwise it
// would break every loss until its text ends. Source: memory-model.md, section 3;
// memory-architectures.md, section 4.7.
#pragma once

#include <map>
#include <string>

#include "core/data/batch.h"
#include "core/models/language_model.h"
#include "core/optim/optimizer.h"
#include "core/train/step_options.h"

namespace rmkv {

// Read a number with .item() when it is shown: that, not the step, waits for the device.
struct StepReport {
  // fp32 [], mean nats per trained label (loss weights left out), before the update; on the model's
  // device
  Tensor loss;
  Tensor auxiliary;      // fp32 [], the model's auxiliary loss, trained beside `loss`; 0 without
  Tensor gradient_norm;  // fp32 [], before clipping
  Tensor skipped;        // fp32 [], 1 when the update was left out (NaN, infinity or a loss spike)
  int64_t token_count = 0;
  int64_t label_count = 0;
  int64_t byte_count = 0;
};

class Trainer {
 public:
  // Both must outlive the trainer; the optimiser must hold the model's parameters.  `seed` drives
  // state passing.
  Trainer(LanguageModel& model, Optimizer& optimizer, uint64_t seed = 0);

  // An Interrupted or failed step leaves parameters, moments and lane state as they were.
  StepReport step(const Batch& batch, const StepOptions& options);

  int64_t step_count() const { return step_count_; }

  // The memory of the lanes after the last step; empty before the first.
  const State& lanes() const { return lanes_; }
  void set_lanes(State lanes);

  // Everything to be saved beside model and optimiser: "lane.NAME", "counter.NAME" int64 [1],
  // "trainer.steps" int64 [1], "trainer.loss_average" fp32 [1], "trainer.losses_seen" fp32 [1].
  // Continuing after load_state is bitwise equal.
  std::map<std::string, Tensor> state() const;
  void load_state(const std::map<std::string, Tensor>& state);

 private:
  void prepare_lanes(const Batch& batch);
  Tensor pass_states(const Batch& batch, const StepOptions& options, int64_t segment, Tensor resets,
                     State& lanes) const;
  void keep_whole_lanes(State& lanes) const;
  Tensor watch_loss(const Tensor& loss, double spike);

  LanguageModel& model_;
  Optimizer& optimizer_;
  uint64_t seed_;
  int64_t step_count_ = 0;
  State lanes_;          // detached, at a segment start
  Tensor loss_average_;  // fp32 [1], of the losses so far, spikes bounded
  Tensor losses_seen_;   // fp32 [1]
};

}  // namespace rmkv
