// See engine_heads.h.
#include "core/models/rwkv/engine_heads.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/cpu/packed_float.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::engine {

using namespace kernels::cpu;

namespace {

constexpr float kDecayScale = -0.60653065971263342f;  // -exp(-1/2)
constexpr float kSmallestNorm = 1e-12f;

// A head's vector, padded to whole lanes.
struct alignas(64) HeadVector {
  float values[kMaxHeadSize + kLanes];
  float* operator+(int64_t at) { return values + at; }
  const float* operator+(int64_t at) const { return values + at; }
  float operator[](int64_t at) const { return values[at]; }
};

// Calls fn with a number of lanes to treat together and their first value: 4 vectors, 2 or 1, the
// last one partly filled where N is no multiple of 16.  The sums stay in registers.
template <typename Fn>
inline void for_values(int64_t N, const Fn& fn) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= N; c += 4 * kLanes) fn(std::integral_constant<int, 4>{}, c);
  for (; c + 2 * kLanes <= N; c += 2 * kLanes) fn(std::integral_constant<int, 2>{}, c);
  for (; c < N; c += kLanes) fn(std::integral_constant<int, 1>{}, c);
}
// Several vectors are whole ones; a lone one may be the last.
template <int V>
inline Floats load_value(const float* p, int64_t left) {
  return V > 1 ? load(p) : load_some(p, left);
}
template <int V>
inline void store_value(float* p, Floats x, int64_t left) {
  V > 1 ? store(p, x) : store_some(p, x, left);
}

// to = (GroupNorm(y) + bonus) * gate over one head.
void finish_head(const EngineLayer& layer, HeadVector& y, float bonus, const float* value,
                 const float* gate, bool silu, int64_t head, int64_t N, float epsilon, float* to) {
  Floats total{};
  for (int64_t c = 0; c < N; c += kLanes) total += load_some(y + c, N - c);
  const float mean = sum_lanes(total) / static_cast<float>(N);
  Floats squares{};
  for (int64_t c = 0; c < N; c += kLanes) {
    store(y + c, load(y + c) - mean);
    const Floats centred = load_some(y + c, N - c);
    squares += centred * centred;
  }
  const float scale = 1.0f / std::sqrt(sum_lanes(squares) / static_cast<float>(N) + epsilon);
  const float* weight = layer.head_norm.weight.data() + head * N;
  const float* bias = layer.head_norm.bias.data() + head * N;
  for (int64_t c = 0; c < N; c += kLanes) {
    Floats out = load(y + c) * scale * load(weight + c) + load(bias + c);
    if (value) out += bonus * load(value + c);
    if (gate) {
      const Floats g = load_some(gate + c, N - c);
      out *= silu ? g * sigmoid(g) : g;
    }
    store_some(to + c, out, N - c);
  }
}

}  // namespace

void wkv4_columns(const float* receptance, const float* key, const float* value,
                  const EngineVector& decay, const EngineVector& bonus, ChannelState state,
                  int64_t first, int64_t count, float* to) {
  for (int64_t c = first; c < first + count; c += kLanes) {
    const int64_t left = first + count - c;
    const Floats k = load_some(key + c, left), v = load_some(value + c, left);
    const Floats a = load_some(state.numerator + c, left);
    const Floats b = load_some(state.denominator + c, left);
    const Floats p = load_some(state.exponent + c, left);
    const Floats now = load(bonus.data() + c) + k;
    const Floats q = maximum(p, now);
    const Floats old_share = exponential(p - q), new_share = exponential(now - q);
    const Floats y = (old_share * a + new_share * v) / (old_share * b + new_share);
    const Floats faded = p + load(decay.data() + c);
    const Floats next = maximum(faded, k);
    const Floats keep = exponential(faded - next), enter = exponential(k - next);
    store_some(state.numerator + c, keep * a + enter * v, left);
    store_some(state.denominator + c, keep * b + enter, left);
    store_some(state.exponent + c, next, left);
    store_some(to + c, load_some(receptance + c, left) * y, left);
  }
}

void wkv6_head(const EngineLayer& layer, const HeadInputs& in, int64_t head, int64_t head_size,
               float epsilon, float* state, float* to) {
  HeadVector r, k, w, v, y;
  Floats own{};
  for (int64_t c = 0; c < head_size; c += kLanes) {
    const int64_t left = head_size - c, at = head * head_size + c;
    store(r + c, load_some(in.receptance + c, left));
    store(k + c, load_some(in.key + c, left));
    store(v + c, load_some(in.value + c, left));
    Floats decay = load(layer.decay.data() + at);
    if (in.decay_raw) {
      decay = exponential(-exponential(decay + load_some(in.decay_raw + c, left)));
    }
    store(w + c, decay);
    own += load(r + c) * load_some(layer.bonus.data() + at, left) * load(k + c);
  }
  const float own_share = sum_lanes(own);
  const int64_t N = head_size;
  for_values(N, [&](auto vectors, int64_t c) {
    constexpr int V = vectors();
    Floats sums[V], values[V];
    for (int j = 0; j < V; ++j) {
      values[j] = load(v + c + j * kLanes);
      sums[j] = own_share * values[j];
    }
    for (int64_t i = 0; i < N; ++i) {
      const Floats read = broadcast(r[i]), keep = broadcast(w[i]), enter = broadcast(k[i]);
      for (int j = 0; j < V; ++j) {
        float* place = state + i * N + c + j * kLanes;
        const Floats old = load_value<V>(place, N - c);
        sums[j] = fused(read, old, sums[j]);
        store_value<V>(place, fused(enter, values[j], keep * old), N - c);
      }
    }
    for (int j = 0; j < V; ++j) store(y + c + j * kLanes, sums[j]);
  });
  finish_head(layer, y, 0, nullptr, in.gate, true, head, head_size, epsilon, to);
}

void wkv7_head(const EngineLayer& layer, const HeadInputs& in, int64_t head, int64_t head_size,
               float epsilon, float* state, float* to) {
  HeadVector r, k, w, v, removal, back, y;
  Floats own{}, squares{};
  for (int64_t c = 0; c < head_size; c += kLanes) {
    const int64_t left = head_size - c, at = head * head_size + c;
    const Floats receptance = load_some(in.receptance + c, left);
    const Floats key = load_some(in.key + c, left);
    const Floats decay = load(layer.decay.data() + at) + load_some(in.decay_raw + c, left);
    const Floats rate =
        sigmoid(load(layer.rate_base.data() + at) + load_some(in.rate_raw + c, left));
    Floats value = load_some(in.value + c, left);
    if (in.value_raw) {
      const Floats share =
          sigmoid(load(layer.value_base.data() + at) + load_some(in.value_raw + c, left));
      value += (load_some(in.first_value + c, left) - value) * share;
    }
    const Floats direction = key * load(layer.removal_scale.data() + at);
    const Floats entered = key * (1.0f + (rate - 1.0f) * load(layer.rate_scale.data() + at));
    store(r + c, receptance);
    store(k + c, entered);
    store(w + c, exponential(kDecayScale * sigmoid(decay)));
    store(v + c, value);
    store(removal + c, direction);
    store(back + c, direction * rate);
    squares += direction * direction;
    own += receptance * entered * load_some(layer.bonus.data() + at, left);
  }
  const float length = std::max(std::sqrt(sum_lanes(squares)), kSmallestNorm);
  const float bonus = sum_lanes(own);
  const int64_t N = head_size;
  for (int64_t c = 0; c < N; c += kLanes) {
    store(removal + c, load(removal + c) / -length);
    store(back + c, load(back + c) / length);
  }
  for_values(N, [&](auto vectors, int64_t c) {
    constexpr int V = vectors();
    Floats sums[V] = {}, removed[V] = {}, values[V];
    for (int64_t i = 0; i < N; ++i) {
      const Floats direction = broadcast(removal[i]);
      for (int j = 0; j < V; ++j) {
        const Floats old = load_value<V>(state + i * N + c + j * kLanes, N - c);
        removed[j] = fused(direction, old, removed[j]);
      }
    }
    for (int j = 0; j < V; ++j) values[j] = load(v + c + j * kLanes);
    for (int64_t i = 0; i < N; ++i) {
      const Floats keep = broadcast(w[i]), put_back = broadcast(back[i]);
      const Floats enter = broadcast(k[i]), read = broadcast(r[i]);
      for (int j = 0; j < V; ++j) {
        float* place = state + i * N + c + j * kLanes;
        Floats now = keep * load_value<V>(place, N - c);
        now = fused(put_back, removed[j], now);
        now = fused(enter, values[j], now);
        store_value<V>(place, now, N - c);
        sums[j] = fused(read, now, sums[j]);
      }
    }
    for (int j = 0; j < V; ++j) store(y + c + j * kLanes, sums[j]);
  });
  finish_head(layer, y, bonus, v + 0, in.gate, false, head, head_size, epsilon, to);
}

}  // namespace rmkv::engine
