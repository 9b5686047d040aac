// See token_rows.h.  Rows of any length: the last vector of a row may be partly filled.
#include "core/models/rmkv/token_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/cpu/matrix_vector.h"
#include "core/kernels/cpu/vector.h"
#include "core/models/rmkv/memory_layer.h"

namespace rmkv::token {

using namespace kernels::cpu;

namespace {

constexpr float kSmallestLength = 1e-6f;  // as unit_rows

// Calls fn(column, how many columns are left) for every vector of a row.
template <typename Fn>
inline void for_vectors(int64_t count, const Fn& fn) {
  for (int64_t c = 0; c < count; c += kLanes) fn(c, count - c);
}

float square_sum(const float* x, int64_t count) {
  Floats squares{};
  for_vectors(count, [&](int64_t c, int64_t left) {
    const Floats v = load_some(x + c, left);
    squares += v * v;
  });
  return sum_lanes(squares);
}

// to += a * x
inline void add_scaled(float a, const float* x, int64_t count, float* to) {
  for_vectors(count, [&](int64_t c, int64_t left) {
    store_some(to + c, load_some(to + c, left) + a * load_some(x + c, left), left);
  });
}

// to [D] = sum over n of weights[n] * rows[n]; four vectors of sums stay in registers.
void weighted_sum(const float* weights, const float* rows, int64_t stride, int64_t count,
                  int64_t head_dim, float* to) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= head_dim; c += 4 * kLanes) {
    Floats sums[4] = {};
    for (int64_t n = 0; n < count; ++n) {
      const Floats weight = broadcast(weights[n]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) sums[v] += weight * load(rows + n * stride + c + v * kLanes);
    }
    for (int v = 0; v < 4; ++v) store(to + c + v * kLanes, sums[v]);
  }
  for (; c < head_dim; c += kLanes) {
    const int64_t left = head_dim - c;
    Floats even{}, odd{};
    int64_t n = 0;
    for (; n + 2 <= count; n += 2) {
      even += broadcast(weights[n]) * load_some(rows + n * stride + c, left);
      odd += broadcast(weights[n + 1]) * load_some(rows + (n + 1) * stride + c, left);
    }
    if (n < count) even += broadcast(weights[n]) * load_some(rows + n * stride + c, left);
    store_some(to + c, even + odd, left);
  }
}

}  // namespace

void rms_norm(const float* x, const float* weight, int64_t channels, float* to) {
  const float mean = square_sum(x, channels) / static_cast<float>(channels);
  const float scale = 1.0f / std::sqrt(mean + static_cast<float>(kNormEpsilon));
  for_vectors(channels, [&](int64_t c, int64_t left) {
    store_some(to + c, load_some(x + c, left) * scale * load_some(weight + c, left), left);
  });
}

void rotate(float* row, const float* cosines, const float* sines, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  for_vectors(half, [&](int64_t d, int64_t left) {
    const Floats a = load_some(row + d, left), b = load_some(row + half + d, left);
    const Floats c = load_some(cosines + d, left), s = load_some(sines + d, left);
    store_some(row + d, a * c - b * s, left);
    store_some(row + half + d, b * c + a * s, left);
  });
}

void attend(const float* query, const HeadRows& rows, int64_t head_dim, float* scores, float* to) {
  matrix_vector(rows.keys, rows.stride, query, head_dim, 0, rows.count, scores);
  const float lowest = -std::numeric_limits<float>::infinity();
  if (rows.visible) {
    for (int64_t n = 0; n < rows.count; ++n) {
      if (!rows.visible[n]) scores[n] = lowest;
    }
  }
  std::fill(scores + rows.hidden_first, scores + rows.hidden_last, lowest);
  // The token itself is always seen, so the largest is finite.
  const float largest = *std::max_element(scores, scores + rows.count);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  Floats total{};
  for_vectors(rows.count, [&](int64_t n, int64_t left) {
    Floats weight = exponential((load(scores + n) - largest) * scale);
    store(scores + n, weight);
    total += load_some(scores + n, left);
  });
  const float inverse = 1.0f / sum_lanes(total);
  weighted_sum(scores, rows.values, rows.stride, rows.count, head_dim, to);
  for_vectors(head_dim, [&](int64_t d, int64_t left) {
    store_some(to + d, load_some(to + d, left) * inverse, left);
  });
}

void pool(float score, const float* row, int64_t channels, float& largest, float& denominator,
          float* numerator) {
  const float top = std::max(largest, score);
  const float shrink = std::exp(largest - top), weight = std::exp(score - top);
  denominator = denominator * shrink + weight;
  for_vectors(channels, [&](int64_t c, int64_t left) {
    store_some(numerator + c,
               load_some(numerator + c, left) * shrink + weight * load_some(row + c, left), left);
  });
  largest = top;
}

void swiglu(float* gate, const float* up, int64_t count) {
  for_vectors(count, [&](int64_t c, int64_t left) {
    const Floats g = load_some(gate + c, left);
    store_some(gate + c, g * sigmoid(g) * load_some(up + c, left), left);
  });
}

void squared_relu(float* x, int64_t count) {
  for (int64_t c = 0; c < count; ++c) x[c] = x[c] > 0 ? x[c] * x[c] : 0;
}

void address(const float* x, int64_t head_dim, int64_t shifts, float* to) {
  const int64_t D = head_dim, count = shifts > 0 ? 2 * D * shifts : D;
  if (shifts == 0) std::copy_n(x, D, to);
  const auto half = [&](int64_t i) { return std::max(0.0f, i < D ? x[i] : -x[i - D]); };
  for (int64_t s = 0; s < shifts; ++s) {
    for (int64_t i = 0; i < 2 * D; ++i) {
      to[s * 2 * D + i] = half(i) * half((i + 2 * D - s - 1) % (2 * D));
    }
  }
  const float scale = 1.0f / std::max(std::sqrt(square_sum(to, count)), kSmallestLength);
  for_vectors(count, [&](int64_t c, int64_t left) {
    store_some(to + c, load_some(to + c, left) * scale, left);
  });
}

void store_read(const float* store, const float* query, int64_t keys, int64_t head_dim, float* to) {
  weighted_sum(query, store, head_dim, keys, head_dim, to);
}

void store_write(float* store, const float* key, const float* value, float gate, int64_t keys,
                 int64_t head_dim, float* update) {
  weighted_sum(key, store, head_dim, keys, head_dim, update);
  for_vectors(head_dim, [&](int64_t d, int64_t left) {
    store_some(update + d, gate * (load_some(value + d, left) - load_some(update + d, left)), left);
  });
  for (int64_t k = 0; k < keys; ++k) add_scaled(key[k], update, head_dim, store + k * head_dim);
}

}  // namespace rmkv::token
