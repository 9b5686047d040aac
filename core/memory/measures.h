// Numbers that tell whether a memory holds anything, computed on the memory itself.
//
// Not here: differences of loss with an altered memory (core/train).
// Source: memory-architectures.md, section 5.1.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv {

// memory [B, M, C] -> [B]: mean cosine over pairs of different slots (near 0 healthy, towards 1
// collapsed); 0 for a single slot.
Tensor slot_cosine(const Tensor& memory);

// memory [B, M, C] -> [B]: exp of the entropy of the normalised singular values, 1 .. min(M, C).
Tensor effective_rank(const Tensor& memory);

// before and after [B, M, C] -> [B]: norm of the change against the norm before: which segments
// wrote.
Tensor write_norm(const Tensor& before, const Tensor& after);

// probabilities [B, H, n, N] of which the columns first .. first + count - 1 are memory rows -> [B,
// H]: the share of attention they get.
Tensor attention_share(const Tensor& probabilities, int64_t first, int64_t count);

}  // namespace rmkv
