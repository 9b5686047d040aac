// The options of one training step: plain data, read from the recipe's table at every step.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/value.h"
#include "core/tensor/tensor.h"

namespace rmkv {

struct StepOptions {
  double lr = 1e-3;   // learning rate of this step (the schedule is the recipe's)
  double clip = 1.0;  // limit of the global gradient norm; 0: off
  // k: segments that a gradient runs through before the memory is detached (TBPTT); the whole batch
  // when it has fewer.
  int64_t bptt = 4;
  at::ScalarType compute_dtype = at::kFloat;  // of products: fp32 or bf16 (fp64 for fp64 models)
  bool replay = false;     // recompute segments in backward instead of keeping their activations
  int64_t chunk_rows = 0;  // rows of logits that exist at once; 0: the kernel chooses
  double z_loss = 0.0;     // weight of log(Z)^2 in the gradient and the reported loss; 0: off
  // RWKV-LM's L2Wrap (HeadLossOptions::l2_wrap), in the gradient alone; negative: as the family is
  // trained by its authors, 1e-4 for RWKV-4 to 7 and 0 for others.
  double l2_wrap = -1.0;
  // A loss above `spike` times its running average skips the update, as NaN does; 0: off.  Ratios
  // seen in healthy runs with small batches stay below 1.5.
  double spike = 0.0;
  // Probability that a lane that starts a document takes over the remembered memory of another lane
  // (memory-architectures.md, sections 2.7 (iv) and 4.7: about 0.8, late in training); 0: off.
  double state_passing = 0.0;

  // Keys: lr clip bptt dtype replay chunk_rows z_loss l2_wrap spike state_passing.  Closed.
  static StepOptions from_table(const Table& table, const std::string& where = "train.step");
};

}  // namespace rmkv
