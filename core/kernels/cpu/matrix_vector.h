// One row times a matrix as it lies in memory: decoding with weights that training may change.
//
// PackedMatrix reads faster from DRAM and in fewer bits, but is a copy; this reads the parameters
// themselves, row by row, so there is nothing to keep in step with them.  Not here: several rows
// (row_product.h), gradients (core/kernels/linear.h).
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// y[o] (= or +=) w[o] . x for o in [first, last); w fp32 [O, I] with rows `stride` apart, x fp32
// [I], y fp32 [O].  Every sum is taken in sixteen interleaved partial sums, then in a fixed tree,
// whatever the range is: threads may divide the outputs anywhere.
void matrix_vector(const float* w, int64_t stride, const float* x, int64_t inputs, int64_t first,
                   int64_t last, float* y, bool add = false);

}  // namespace rmkv::kernels::cpu
