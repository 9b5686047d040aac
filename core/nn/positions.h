// The ways a model may know positions, by name, and the sinusoidal rows (Vaswani et al. 2017,
// section 3.5).
//
// Rotary positions are applied inside attention (core/kernels/attention.h); the others add rows to
// the input.
#pragma once

#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

enum class Positions { kRope, kLearned, kSinusoidal, kNone };
Positions parse_positions(const std::string& name);  // "rope", "learned", "sinusoidal", "none"
std::string positions_name(Positions positions);
std::vector<std::string> positions_names();

// Rows [count, C] of positions offset .. offset + count - 1: channel 2i is sin(p / 10000^(2i/C)),
// 2i + 1 the cosine. Computed in fp64, so that positions beyond 128K keep all their digits.  C
// even.
Tensor sinusoidal_rows(int64_t offset, int64_t count, int64_t channels, at::ScalarType dtype,
                       at::Device device);

}  // namespace rmkv
