// The pointwise parts of the recurrent memory cells: everything after the linear maps.
//
// Gates and hidden are computed in fp32 (fp64) whatever the dtype of the linear maps' results;
// results have the dtype of `hidden`.  In every cell the update gate multiplies the old memory, so
// a positive bias keeps.
#pragma once

#include <utility>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// GRU (Cho et al. 2014, the cuDNN form).  input and recurrent [.., 3C] = columns r | z | n of W u +
// b and U h + b; hidden [.., C].  n' = tanh(n_in + sigmoid(r) * n_rec); -> z' * hidden + (1 - z') *
// n'.
Tensor gru_cell(const Tensor& input, const Tensor& recurrent, const Tensor& hidden);

// LSTM.  gates [.., 4C] = i | f | g | o of W u + U h + b; cell [.., C].  -> (o' * tanh(c'), c').
std::pair<Tensor, Tensor> lstm_cell(const Tensor& gates, const Tensor& cell);

// One gate and one candidate: gates [.., 2C] = g | c of W [h ; u] + b; hidden [.., C].
// -> sigmoid(g) * hidden + (1 - sigmoid(g)) * tanh(c); with `bounded` false the candidate is c *
// sigmoid(c), the original program's form, which can grow without bound.
Tensor minimal_cell(const Tensor& gates, const Tensor& hidden, bool bounded = true);

// Exponential average: keep [M, C] (logits of the keep-rate), input and hidden [.., M, C].
// -> sigmoid(keep) * hidden + (1 - sigmoid(keep)) * input.
Tensor ema_cell(const Tensor& keep, const Tensor& input, const Tensor& hidden);

}  // namespace rmkv::kernels
