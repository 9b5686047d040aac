// Every operation of this folder as a plain composition of LibTorch operations with derived
// gradients.
//
// It defines what the fused operations compute: they are tested against it, and it serves where
// they do not apply (fp64, CUDA, unusual shapes).  Same arguments, results and conventions as the
// public headers.
#pragma once

#include <utility>

#include "core/kernels/attention.h"
#include "core/kernels/loss.h"
#include "core/kernels/rwkv_rows.h"
#include "core/kernels/window_attention.h"
#include "core/kernels/wkv.h"
#include "core/tensor/tensor.h"

namespace rmkv::kernels::reference {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, at::ScalarType out);
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  at::ScalarType out);
Tensor swiglu(const Tensor& gate_up);
Tensor rotate(const Tensor& x, int64_t offset, double base);
std::pair<Tensor, Tensor> segment_attention(const SegmentRows& rows,
                                            const AttentionOptions& options);
Tensor cached_attention(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        bool causal, const Tensor& visible);
Tensor window_attention(const WindowRows& rows, int64_t key_heads);
Tensor head_losses(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels,
                   double z_loss);
Tensor gru_cell(const Tensor& input, const Tensor& recurrent, const Tensor& hidden);
std::pair<Tensor, Tensor> lstm_cell(const Tensor& gates, const Tensor& cell);
Tensor minimal_cell(const Tensor& gates, const Tensor& hidden, bool bounded);
Tensor ema_cell(const Tensor& keep, const Tensor& input, const Tensor& hidden);

std::pair<Tensor, Tensor> wkv4(const Tensor& key, const Tensor& value, const Tensor& decay,
                               const Tensor& bonus, const Tensor& state, const Tensor& marks);
std::pair<Tensor, Tensor> wkv(const Tensor& receptance, const Tensor& key, const Tensor& value,
                              const Tensor& decay, const Tensor& bonus, const Tensor& state,
                              const Tensor& reset, const Tensor& marks);
std::pair<Tensor, Tensor> wkv7(const Wkv7Rows& rows, const Tensor& state, const Tensor& reset,
                               const Tensor& marks);
std::pair<Tensor, Tensor> token_shift(const Tensor& x, const Tensor& previous, const Tensor& marks);
Tensor mix_rows(const Tensor& x, const Tensor& difference, const Tensor& mixes,
                const Tensor& deltas);
std::pair<Tensor, Tensor> short_convolution(const Tensor& x, const Tensor& recent,
                                            const Tensor& weights, const Tensor& marks);
Tensor apply_function(const Tensor& x, RowFunction function, at::ScalarType out,
                      const Tensor& bias);
Wkv7Operands wkv7_operands(const Wkv7Projections& given, int64_t heads);
Tensor head_output(const HeadOutput& given);

// The dtype in which a row of `dtype` is normalised, gated or soft-maxed: fp64 for fp64, else fp32.
at::ScalarType arithmetic_dtype(at::ScalarType dtype);

}  // namespace rmkv::kernels::reference
