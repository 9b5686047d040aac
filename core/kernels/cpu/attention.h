// Attention of one segment with its memory on the CPU: the rule of core/kernels/attention.h, one
// head at a time inside the cache, rows gathered straight from the projections and rotated on the
// way.
//
// T is the dtype of rows, float or bf16; scores, softmax and sums are fp32.  Keys are kept in the
// order bridge | memory | tokens, so that what a row sees is one range of columns.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

struct AttentionShape {
  int64_t batch = 0, heads = 0, head_channels = 0;  // B, H, D (a multiple of 16)
  int64_t memory = 0, bridge = 0, tokens = 0;       // M, k, T rows
};

// Rows with columns queries | keys | values of C = H * D each; row n of lane b is at data + b *
// lane + n * row.
template <typename T>
struct AttentionRows {
  T* data = nullptr;
  int64_t lane = 0, row = 0;  // strides in elements
};

template <typename T>
struct AttentionInputs {
  AttentionRows<const T> memory, tokens;
  AttentionRows<const T> bridge;   // its data points at the keys; there are no queries
  const bool* visible = nullptr;   // [B, k + T], or null: all
  const float* cosines = nullptr;  // [k + T, D/2] of positions -k .. T-1, or null: no rotation
  const float* sines = nullptr;
};

// -> memory_out [B, M, C], tokens_out [B, T, C], and per row the log of the softmax's sum, fp32 [B,
// H, M + T]
// (+infinity for a row that sees nothing, whose result is zero).
template <typename T>
void attention_forward(const AttentionShape& shape, const AttentionInputs<T>& inputs, T* memory_out,
                       T* tokens_out, float* log_sums);

// Gradients of memory [B, M, 3C], tokens [B, T, 3C] and bridge [B, k, 2C] from those of the
// results; log_sums as forward left it.
template <typename T>
void attention_backward(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                        const float* log_sums, const T* grad_memory_out, const T* grad_tokens_out,
                        T* grad_memory, T* grad_tokens, T* grad_bridge);

}  // namespace rmkv::kernels::cpu
