// What a training step will hold in memory, computed from a configuration before anything is
// allocated.
//
// Per parameter: fp32 value and gradient (4 + 4 bytes), a bf16 copy of what products read when they
// run in bf16 (2), the moments (8, 4 or 2.03, optim/adamw.h; of Muon's matrices 4 or 2); then what
// backward needs (models/rmkv/activation_bytes.h) and the head.  AdamW's update needs nothing
// beside, Muon's less than backward.
// Not here: LibTorch itself, tokenizer and data, the C allocator's slack.
// Source of the classes: training-stacks report, section 2c (1.2B parameters: 12 bytes each here).
#pragma once

#include "core/base/value.h"
#include "core/kernels/adamw.h"
#include "core/tensor/tensor.h"

namespace rmkv {

struct MemoryPlanOptions {
  int64_t lanes = 8;     // B
  int64_t segments = 4;  // segments of a step
  int64_t bptt = 4;      // segments a gradient runs through
  int64_t chunk_rows = 0;
  at::ScalarType compute_dtype = at::kFloat;
  bool replay = false;
  kernels::MomentState state = kernels::MomentState::kFull;
  bool muon = false;  // the optimiser is Muon, not AdamW
};

struct MemoryPlan {
  int64_t parameters = 0;  // a count; everything else in bytes
  int64_t parameter_bytes = 0;
  int64_t gradient_bytes = 0;
  int64_t copy_bytes = 0;
  int64_t moment_bytes = 0;
  int64_t code_bytes = 0;  // the fixed codes of a store (rmkv_parameters.h)
  // What forward keeps for backward, and what backward and head hold beside it for a moment.
  // 0 for architectures other than RMKV: not known.
  int64_t activation_bytes = 0;         // as the options say
  int64_t segment_bytes = 0;            // of the graph of one segment
  int64_t plain_activation_bytes = 0;   // without segment replay
  int64_t replay_activation_bytes = 0;  // with it
  int64_t head_bytes = 0;               // logits of a chunk, gradients of head and hidden rows

  int64_t total_bytes() const {
    return parameter_bytes + gradient_bytes + copy_bytes + moment_bytes + code_bytes +
           activation_bytes + head_bytes;
  }
};

// `config` as for create_model, with its vocabulary.
MemoryPlan plan_memory(const Table& config, const MemoryPlanOptions& options);

}  // namespace rmkv
