// Softmax cross-entropy of rows of logits on the CPU; T is the dtype of the logits, float or bf16.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// logits [N, V], labels int64 [N] in [0, V) or negative (ignored) -> losses fp32 [N] = -log
// softmax[label] + z_loss * log(Z)^2, 0 where ignored.  With `gradient` the logits are overwritten
// by scale * weight * d loss / d logits; weights fp32 [N], null: all 1.  Losses are without weights.
template <typename T>
void cross_entropy(T* logits, const int64_t* labels, const float* weights, int64_t rows,
                   int64_t vocabulary, float scale, float z_loss, bool gradient, float* losses);

}  // namespace rmkv::kernels::cpu
