// The feed-forward layer: down(silu(gate(x)) * up(x)) (SwiGLU, Shazeer 2020), gate and up in one
// product.
#pragma once

#include <string>

#include "core/nn/linear.h"

namespace rmkv {

struct FeedForward {
  Linear gate_up;  // [2F, C]: gate rows, then up rows
  Linear down;     // [C, F]
};

// F for C channels: 8/3 C, rounded up to a multiple of 64 (as many parameters as a 4 C layer
// without gate).
int64_t feed_forward_width(int64_t channels);

// Declares `name`.gate_up and `name`.down; `down_deviation` is usually scaled down with depth.
FeedForward declare_feed_forward(ParameterStore& store, const Initialiser& initial,
                                 const std::string& name, int64_t channels, int64_t width,
                                 double deviation, double down_deviation);

// x [.., C] -> [.., C], dtype of x.
Tensor apply_feed_forward(const ParameterStore& store, const FeedForward& layer, const Tensor& x);

}  // namespace rmkv
