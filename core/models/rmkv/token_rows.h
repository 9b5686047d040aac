// The arithmetic of one token on plain rows: norm, rotation, attention of a head, streamed pooling,
// the store of a head.
//
// The same formulas as kernels::rms_norm, rotate, cached_attention, core/memory/pooling.h and
// core/memory/associative_store.h, in fp32, without tensors.  Not here: which rows (token_step.h).
#pragma once

#include <cstdint>

namespace rmkv::token {

// to = x / sqrt(mean x^2 + epsilon) * weight; all fp32 [C]; `to` may be x.
void rms_norm(const float* x, const float* weight, int64_t channels, float* to);

// Turns one head's row [D] in place; cosines and sines fp32 [D / 2].
void rotate(float* row, const float* cosines, const float* sines, int64_t head_dim);

// What one query sees: keys and values fp32 [N, D] with rows `stride` apart, visible bool [N] or
// null.  Rows [hidden_first, hidden_last) are left out.
struct HeadRows {
  const float *keys, *values;
  int64_t stride, count;
  const bool* visible;
  int64_t hidden_first = 0, hidden_last = 0;
};
// scores fp32 [N + 16], scratch; to fp32 [D].
void attend(const float* query, const HeadRows& rows, int64_t head_dim, float* scores, float* to);

// One slot of the running softmax of query pooling: row and numerator fp32 [C].
void pool(float score, const float* row, int64_t channels, float& largest, float& denominator,
          float* numerator);

// gate * sigmoid(gate) * up, [n]; the result replaces gate.
void swiglu(float* gate, const float* up, int64_t count);
// relu(x)^2 in place, [n].
void squared_relu(float* x, int64_t count);

// to [2 D shifts] = the unit row of sparse features of x [D]; shifts 0: the unit row of x itself.
void address(const float* x, int64_t head_dim, int64_t shifts, float* to);
// to [D] = query [K] . store [K, D].
void store_read(const float* store, const float* query, int64_t keys, int64_t head_dim, float* to);
// store += key (gate (value - key . store))^T; update [D] is scratch.
void store_write(float* store, const float* key, const float* value, float gate, int64_t keys,
                 int64_t head_dim, float* update);

}  // namespace rmkv::token
