// Row-wise arithmetic of the inference engine: norms, token shift, activations.
//
// Each function treats one row, whatever the block it stands in: that keeps a token's bits the same
// for any chunking.  Columns are read and written in vectors of 16 up to the next multiple (rows
// have room for it).
#pragma once

#include "core/models/rwkv/engine_weights.h"

namespace rmkv::engine {

inline constexpr float kNormEpsilon = 1e-5f;

// to = LayerNorm(x); D columns.
void norm_row(const float* x, const EngineNorm& norm, int64_t channels, float* to);
// to = z + (previous - z) share
void shift_row(const float* z, const float* previous, const EngineVector& share, int64_t channels,
               float* to);
// to = z + (previous - z) (share + correction); columns [first, first + count).
void shift_columns(const float* z, const float* previous, const EngineVector& share,
                   const float* correction, int64_t first, int64_t count, float* to);
void activate(Activation activation, float* x, int64_t count);
// x += y (scale * y where a scale is given) + bias (may be empty), columns [first, first + count).
void add_columns(float* x, const float* y, const float* scale, const EngineVector& bias,
                 int64_t first, int64_t count);

}  // namespace rmkv::engine
