// What RMKV keeps for backward, in bytes, computed from its configuration without allocating.
//
// Counts the tensors that the operations of parallel.cpp save, term by term; rows of a few numbers
// a token (inverse norms, gates) are left out.  Not here: parameters, optimiser, head and loss
// (core/train/memory_plan.h).  A test holds it against a measured step.
#pragma once

#include "core/models/rmkv/rmkv_config.h"

namespace rmkv {

struct RmkvActivations {
  // Of a graph over `segments` segments of `lanes` lanes: all that forward keeps.
  int64_t graph_bytes = 0;
  // The most that backward holds beside it for a moment: the gradients of the widest rows.
  int64_t backward_bytes = 0;
  // What segment replay keeps of each segment while the others run: the state at its border.
  int64_t border_bytes = 0;
};

// compute_bytes: 2 for bf16, 4 for fp32 (then no copies in another dtype are made).
RmkvActivations rmkv_activations(const RmkvConfig& config, int64_t lanes, int64_t segments,
                                 int64_t compute_bytes);

}  // namespace rmkv
