// AdamW over the flat buffers of a ParameterStore, with one set of rates per parameter group and
// moments in fp32, bf16 or 8 bits.
//
// Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2, with the decay
// multiplied by the learning rate (as in PyTorch): p <- p (1 - lr wd); m <- b1 m + (1-b1) g; v <-
// b2 v + (1-b2) g^2; p <- p - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps).  t counts updates
// made: skipped steps do not age the moments.
//
// The states are for size: of a matrix's moments fp32 takes 8 bytes an element, bf16 4, 8 bits 2.03
// (kernels/adamw_math.h has the codes and their source).  Norms, biases and gates, and matrices
// below 4,096 elements, keep fp32 moments in every state (as in bitsandbytes: they are small, and
// the most sensitive).
#pragma once

#include "core/kernels/adamw.h"
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
  kernels::MomentState state = kernels::MomentState::kFull;
  // Gate biases move by whole units over a run, ten times further than Adam's small steps would
  // carry them (memory-architectures.md, sections 2.7 and 4.5).
  AdamwGroupOptions groups[kParameterGroupCount] = {
      {1.0, 0.1, false}, {1.0, 0.0, false}, {20.0, 0.0, false}, {1.0, 0.0, false}};

  // { betas = {b1, b2}, eps, state = "fp32" | "bf16" | "8bit", weight_decay (of the group
  // "matrix"), groups = { gate = { lr_scale, weight_decay, frozen } } }; keys left out keep the
  // values of `base`.
  static AdamwOptions from_table(const Table& table, const AdamwOptions& base);
  static AdamwOptions from_table(const Table& table) { return from_table(table, AdamwOptions()); }
  Table to_table() const;
};

// "fp32", "bf16", "8bit"; an unknown name throws with the list.
kernels::MomentState parse_moment_state(const std::string& name, const std::string& where);
std::string moment_state_name(kernels::MomentState state);
// How the moments of a parameter are kept where `wanted` is the option.
kernels::MomentState moment_state_of(ParameterGroup group, int64_t elements,
                                     kernels::MomentState wanted);

class Adamw : public Optimizer {
 public:
  // The store must be finished and outlive the optimiser.  `left_out`, by parameter: those that
  // somebody else updates, before this, with their working copies.
  explicit Adamw(ParameterStore& parameters, const AdamwOptions& options = {},
                 std::vector<bool> left_out = {});

  void step(const StepInputs& inputs) override;
  // "first_moment.NAME" and "second_moment.NAME" (the parameter's shape; its dtype, bf16, or uint8
  // codes with "first_scale.NAME" and "second_scale.NAME" fp32 [ceil(elements / 256)] beside them),
  // "updates" fp32 [1], "skips" fp32 [1].
  std::map<std::string, Tensor> state() const override;
  // Moments that were saved in another state are converted.
  void load_state(const std::map<std::string, Tensor>& state) override;
  Table options() const override { return options_.to_table(); }
  // Another state converts the moments.
  void set_options(const Table& options) override;
  int64_t update_count() const override;
  int64_t skip_count() const override;
  ParameterStore& parameters() override { return parameters_; }

 private:
  void apply_frozen();
  kernels::MomentState state_of(size_t index) const;
  bool is_left_out(size_t index) const { return !left_out_.empty() && left_out_[index]; }

  ParameterStore& parameters_;
  AdamwOptions options_;
  std::vector<bool> left_out_;
  std::vector<kernels::Moments> moments_;  // one for each parameter; empty where it is left out
  Tensor updates_;  // fp32 [1], on the device: the bias correction depends on it
  Tensor skips_;    // fp32 [1]
};

}  // namespace rmkv
