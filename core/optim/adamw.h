// AdamW over the flat buffers of a ParameterStore, with one set of rates per parameter group.
//
// Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2, with the decay
// multiplied by the learning rate (as in PyTorch): p <- p (1 - lr wd); m <- b1 m + (1-b1) g; v <-
// b2 v + (1-b2) g^2; p <- p - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps).  t counts updates
// made: skipped steps do not age the moments.
#pragma once

#include "core/optim/optimizer.h"

namespace rmkv {

struct AdamwGroupOptions {
  double lr_scale = 1.0;  // factor on the step's learning rate
  double weight_decay = 0.0;
  bool frozen = false;  // no gradients, no updates
};

struct AdamwOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  // Gate biases move by whole units over a run, ten times further than Adam's small steps would
  // carry them (memory-architectures.md, sections 2.7 and 4.5).
  AdamwGroupOptions groups[kParameterGroupCount] = {
      {1.0, 0.1, false}, {1.0, 0.0, false}, {20.0, 0.0, false}, {1.0, 0.0, false}};

  // { betas = {b1, b2}, eps, weight_decay (of the group "matrix"), groups = { gate = { lr_scale,
  // weight_decay, frozen } } }; keys left out keep the values of `base`.
  static AdamwOptions from_table(const Table& table, const AdamwOptions& base);
  static AdamwOptions from_table(const Table& table) { return from_table(table, AdamwOptions()); }
  Table to_table() const;
};

class Adamw : public Optimizer {
 public:
  // The store must be finished and outlive the optimiser.
  explicit Adamw(ParameterStore& parameters, const AdamwOptions& options = {});

  void step(const StepInputs& inputs) override;
  // "first_moment.NAME" and "second_moment.NAME" (dtype and shape of the parameter), "updates" fp32
  // [1], "skips" fp32 [1].
  std::map<std::string, Tensor> state() const override;
  void load_state(const std::map<std::string, Tensor>& state) override;
  Table options() const override { return options_.to_table(); }
  void set_options(const Table& options) override;
  int64_t update_count() const override;
  int64_t skip_count() const override;
  ParameterStore& parameters() override { return parameters_; }

 private:
  void apply_frozen();
  Tensor moment_view(const Tensor& flat, size_t index) const;

  ParameterStore& parameters_;
  AdamwOptions options_;
  // [elements of the group], the parameters' dtype; laid out as the flat values.
  Tensor first_moments_[kParameterGroupCount];
  Tensor second_moments_[kParameterGroupCount];
  Tensor updates_;  // fp32 [1], on the device: the bias correction depends on it
  Tensor skips_;    // fp32 [1]
};

}  // namespace rmkv
