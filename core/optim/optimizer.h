// What turns gradients into updates: the interface of every optimiser.
//
// An optimiser belongs to one ParameterStore and works on its flat buffers.  Whether an update
// happens is decided on the device (`StepInputs::skip`), so a step never waits for a GPU.  Not
// here: the learning-rate schedule (a plain function in the recipe), clipping (clip.h).
#pragma once

#include <map>
#include <string>

#include "core/base/value.h"
#include "core/tensor/parameters.h"

namespace rmkv {

struct StepInputs {
  double lr = 0.0;  // learning rate of this step; groups multiply it by their lr_scale
  // fp32 [] on the parameters' device: gradients are divided by it (clip.h).  Undefined: 1.
  Tensor divisor;
  // fp32 [] on the parameters' device: 1 leaves parameters and moments as they are.  Undefined: 0.
  Tensor skip;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  virtual void step(const StepInputs& inputs) = 0;

  // Everything that has to be saved, by name, on any device: continuing after load_state is bitwise
  // equal. Views where possible: save or copy them before the next step.
  virtual std::map<std::string, Tensor> state() const = 0;
  // Throws on missing, unknown or misshapen names before anything is written.
  virtual void load_state(const std::map<std::string, Tensor>& state) = 0;

  // The complete options; set_options(options()) changes nothing.
  virtual Table options() const = 0;
  virtual void set_options(const Table& options) = 0;

  // Updates made and updates skipped so far.  Waits for the device.
  virtual int64_t update_count() const = 0;
  virtual int64_t skip_count() const = 0;

  virtual ParameterStore& parameters() = 0;
};

}  // namespace rmkv
