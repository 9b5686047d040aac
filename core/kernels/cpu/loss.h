// Softmax cross-entropy of rows of logits on the CPU; T is the dtype of the logits, float or bf16.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

struct LossTerms {
  float scale;    // of gradients
  float z_loss;   // of log(Z)^2
  float l2_wrap;  // of half the square of the largest logit; 0: not asked for
};

// logits [N, V], labels int64 [N] in [0, V) or negative (ignored) -> losses fp32 [N] = -log
// softmax[label] + z_loss * log(Z)^2 and wraps fp32 [N] = l2_wrap / 2 * largest^2 (written where
// l2_wrap is not 0), 0 where ignored.  With `gradient` the logits are overwritten by scale * weight
// * d (loss + wrap) / d logits; weights fp32 [N], null: all 1.  Results are without weights.
template <typename T>
void cross_entropy(T* logits, const int64_t* labels, const float* weights, int64_t rows,
                   int64_t vocabulary, const LossTerms& terms, bool gradient, float* losses,
                   float* wraps);

}  // namespace rmkv::kernels::cpu
