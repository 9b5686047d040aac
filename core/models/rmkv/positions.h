// Positions that are added to the token embeddings: learned or sinusoidal.  Rotary ones belong to
// attention.
//
// Learned positions count within the segment.  Sinusoidal ones count tokens since the lane's start
// without end (no table, so 128K and beyond need nothing), at the scale of the embeddings they are
// added to.
#pragma once

#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"

namespace rmkv {

// rows: residual stream [B, n, C] of tokens whose place in the segment is first, first + 1, ... and
// whose count since the lane's start is start, start + 1, ... (int64 [B]); -> rows with their
// positions added.
Tensor add_positions(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& rows,
                     int64_t first, const Tensor& start);

// The same for one row, fp32 [C], in place: `place` in the segment, `since_start` tokens of the
// lane before it.
void add_position(const RmkvConfig& config, const RmkvWeights& weights, int64_t place,
                  int64_t since_start, float* row);

// [B, n, C] in `dtype`: sines in the first half of the channels, cosines in the second, angles
// position * 10000^(-2i/C) computed in fp64 (Vaswani et al. 2017).  positions int64 [B, n].
Tensor sinusoids(const Tensor& positions, int64_t channels, at::ScalarType dtype);

}  // namespace rmkv
