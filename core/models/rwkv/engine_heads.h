// The recurrences of the inference engine, one token of one head (version 4: of a range of
// channels) at a time.
//
// A head's matrix is [key, value] in memory in every version (version 7's State shows it as its
// transpose), so that each of 16 values is a lane of its own and no sums across lanes are needed.
// Sources: arXiv 2305.13048, 2404.05892, 2503.14456; rwkv-family.md, sections 1.2-1.5.
#pragma once

#include "core/models/rwkv/engine_weights.h"

namespace rmkv::engine {

inline constexpr int64_t kMaxHeadSize = 256;

// Version 4, channels [first, first + count).  `decay` is -exp(time_decay), `bonus` time_first;
// state fp32 numerator, denominator and exponent.  to = sigmoid'd receptance * y.
struct ChannelState {
  float *numerator, *denominator, *exponent;  // [D]
};
void wkv4_columns(const float* receptance, const float* key, const float* value,
                  const EngineVector& decay, const EngineVector& bonus, ChannelState state,
                  int64_t first, int64_t count, float* to);

// Pointers at the head's first channel, N values each.
struct HeadInputs {
  const float* receptance;
  const float* key;
  const float* value;
  const float* gate;         // before its silu (version 7: as it is); null: none
  const float* decay_raw;    // versions 6 and 7: output of the low-rank map; null in 5
  const float* rate_raw;     // version 7
  const float* value_raw;    // version 7 above layer 0: of the residual's gate; else null
  const float* first_value;  // version 7: layer 0's values
};
// Versions 5 (decay in (0, 1)) and 6 (decay + decay_raw before its exp).
void wkv6_head(const EngineLayer& layer, const HeadInputs& in, int64_t head, int64_t head_size,
               float epsilon, float* state, float* to);
// Version 7.
void wkv7_head(const EngineLayer& layer, const HeadInputs& in, int64_t head, int64_t head_size,
               float epsilon, float* state, float* to);

}  // namespace rmkv::engine
