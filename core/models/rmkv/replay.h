// Segment replay: forward keeps only the states at segment borders, backward computes one segment
// at a time again.
//
// Same gradients as keeping everything, at the activations of one segment plus S small states;
// costs one more forward pass.  Parameter gradients are added to their .grad segment by segment
// inside backward, so replay serves `backward()`, not `autograd::grad` with respect to parameters.
// Source: memory-architectures.md, section 4.7 (memory replay back-propagation, Memformer).
#pragma once

#include <functional>

#include "core/models/language_model.h"

namespace rmkv {

// Runs whole segments: tokens int64 [B, n T'], the state at a segment start, options for these
// segments only.
using SegmentForward =
    std::function<Tensor(const Tensor& tokens, State& state, const ForwardOptions& options)>;

// As `run(tokens, state, options)` over the S segments of `length` tokens; `anchor` is any tensor
// that requires a gradient.  `run` is kept until the graph is freed.
Tensor replayed_forward(const SegmentForward& run, const Tensor& anchor, const Tensor& tokens,
                        State& state, const ForwardOptions& options, int64_t length);

}  // namespace rmkv
