// Products whose rows do not depend on each other's number: the deterministic mode of product.h.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// x [rows, I], w [O, I], bias [O] or null -> out [rows, O].  Every element is the sum over I in
// sixteen interleaved partial sums, then pairwise, whatever `rows` and the number of threads are.
// T is float or bf16; sums are fp32.
template <typename T>
void row_product(const T* x, const T* w, const float* bias, T* out, int64_t rows, int64_t I,
                 int64_t O);

}  // namespace rmkv::kernels::cpu
