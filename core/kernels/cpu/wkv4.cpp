// See wkv4.h.  Sixteen channels at a time; a lane's group of channels goes to one thread whole.
#include "core/kernels/cpu/wkv4.h"

#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

struct Sums {  // of sixteen channels
  Floats a, b, p;
};

Sums nothing() {
  return {Floats{}, Floats{}, broadcast(kWkv4Nothing)};
}

Sums load_sums(const float* from, int64_t C, int64_t c, int64_t count) {
  return {load_some(from + c, count), load_some(from + C + c, count),
          load_some(from + 2 * C + c, count)};
}
void store_sums(float* to, int64_t C, int64_t c, int64_t count, const Sums& s) {
  store_some(to + c, s.a, count);
  store_some(to + C + c, s.b, count);
  store_some(to + 2 * C + c, s.p, count);
}

Floats output(const Sums& s, Floats u, Floats k, Floats v) {
  const Floats q = maximum(s.p, u + k);
  const Floats old = exponential(s.p - q), fresh = exponential(u + k - q);
  return (old * s.a + fresh * v) / (old * s.b + fresh);
}

void advance(Sums& s, Floats w, Floats k, Floats v) {
  const Floats next = maximum(s.p + w, k);
  const Floats old = exponential(s.p + w - next), fresh = exponential(k - next);
  s.a = old * s.a + fresh * v;
  s.b = old * s.b + fresh;
  s.p = next;
}

struct Reverse {    // of sixteen channels
  Floats a, b;      // dL/da and dL/db after the token, at that state's exponent
  Floats exponent;  // dL/dp beyond what the scaling of a and b by e^-p explains
  Floats w, u;      // sums so far
};

// Gradients of one token with the state `s` before it; grad_k and grad_v are written.
void step_back(const Sums& s, Floats w, Floats u, Floats k, Floats v, Floats g, Reverse& d,
               Floats& grad_k, Floats& grad_v) {
  const Floats q = maximum(s.p, u + k);
  const Floats e1 = exponential(s.p - q), e2 = exponential(u + k - q);
  const Floats denominator = e1 * s.b + e2, y = (e1 * s.a + e2 * v) / denominator;
  const Floats for_num = g / denominator, for_den = -y * for_num;
  const Floats now = e2 * (v * for_num + for_den);
  const Floats next = maximum(s.p + w, k);
  const Floats f1 = exponential(s.p + w - next), f2 = exponential(k - next);
  const Ints keeps = s.p + w > k;
  grad_v = e2 * for_num + f2 * d.a;
  grad_k = now + f2 * (v * d.a + d.b) + (keeps ? Floats{} : d.exponent);
  d.exponent = keeps ? d.exponent : Floats{};
  d.u += now;
  d.w += f1 * (s.a * d.a + s.b * d.b) + d.exponent;
  d.a = f1 * d.a + e1 * for_num;
  d.b = f1 * d.b + e1 * for_den;
}

// Calls fn(lane, first channel, channels) on groups of sixteen channels, over threads.
void for_groups(const Wkv4Shape& s, int64_t work,
                const std::function<void(int64_t, int64_t, int64_t)>& fn) {
  const int64_t groups = (s.channels + kLanes - 1) / kLanes;
  parallel_for(s.lanes * groups, grain_of(work * s.tokens), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t c = item % groups * kLanes;
      fn(item / groups, c, std::min(kLanes, s.channels - c));
    }
  });
}

}  // namespace

template <typename T>
void wkv4_forward(const Wkv4Shape& s, const Wkv4Inputs<T>& in, T* out, float* final, float* kept) {
  const int64_t C = s.channels, chunks = wkv_chunks(s.tokens);
  for_groups(s, 1000, [&](int64_t b, int64_t c, int64_t count) {
    const Floats w = load_some(in.decay + c, count), u = load_some(in.bonus + c, count);
    Sums sums = load_sums(in.initial + b * 3 * C, C, c, count);
    for (int64_t t = 0; t < s.tokens; ++t) {
      if (kept && t % kWkvChunk == 0) {
        store_sums(kept + (b * chunks + t / kWkvChunk) * 3 * C, C, c, count, sums);
      }
      const uint8_t mark = mark_at(in.marks, b * s.tokens + t);
      const int64_t at = (b * s.tokens + t) * C + c;
      if (mark & kMarkReset) sums = nothing();
      if (mark & kMarkSkip) {
        store_some(out + at, Floats{}, count);
        continue;
      }
      const Floats k = load_some(in.key + at, count), v = load_some(in.value + at, count);
      store_some(out + at, output(sums, u, k, v), count);
      advance(sums, w, k, v);
    }
    store_sums(final + b * 3 * C, C, c, count, sums);
  });
}

template <typename T>
void wkv4_backward(const Wkv4Shape& s, const Wkv4Inputs<T>& in, const float* kept,
                   const float* final, const T* grad_out, const float* grad_final,
                   const Wkv4Gradients<T>& grads) {
  const int64_t C = s.channels, chunks = wkv_chunks(s.tokens);
  for_groups(s, 3000, [&](int64_t b, int64_t c, int64_t count) {
    const Floats w = load_some(in.decay + c, count), u = load_some(in.bonus + c, count);
    Reverse d{};
    if (grad_final) {
      const Sums last = load_sums(final + b * 3 * C, C, c, count);
      const Sums g = load_sums(grad_final + b * 3 * C, C, c, count);
      d.a = g.a;
      d.b = g.b;
      d.exponent = g.p - last.a * g.a - last.b * g.b;
    }
    Sums states[kWkvChunk];
    for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
      const int64_t first = chunk * kWkvChunk, end = std::min(first + kWkvChunk, s.tokens);
      Sums sums = load_sums(kept + (b * chunks + chunk) * 3 * C, C, c, count);
      for (int64_t t = first; t < end; ++t) {
        const uint8_t mark = mark_at(in.marks, b * s.tokens + t);
        if (mark & kMarkReset) sums = nothing();
        states[t - first] = sums;
        if (mark & kMarkSkip) continue;
        const int64_t at = (b * s.tokens + t) * C + c;
        advance(sums, w, load_some(in.key + at, count), load_some(in.value + at, count));
      }
      for (int64_t t = end - 1; t >= first; --t) {
        const uint8_t mark = mark_at(in.marks, b * s.tokens + t);
        const int64_t at = (b * s.tokens + t) * C + c;
        Floats grad_k{}, grad_v{};
        if (!(mark & kMarkSkip)) {
          step_back(states[t - first], w, u, load_some(in.key + at, count),
                    load_some(in.value + at, count), load_some(grad_out + at, count), d, grad_k,
                    grad_v);
        }
        store_some(grads.key + at, grad_k, count);
        store_some(grads.value + at, grad_v, count);
        if (mark & kMarkReset) d.a = d.b = d.exponent = Floats{};
      }
    }
    store_some(grads.decay + b * C + c, d.w, count);
    store_some(grads.bonus + b * C + c, d.u, count);
    const Sums start = load_sums(in.initial + b * 3 * C, C, c, count);
    store_sums(grads.initial + b * 3 * C, C, c, count,
               {d.a, d.b, d.exponent + start.a * d.a + start.b * d.b});
  });
}

template void wkv4_forward(const Wkv4Shape&, const Wkv4Inputs<float>&, float*, float*, float*);
template void wkv4_forward(const Wkv4Shape&, const Wkv4Inputs<bf16>&, bf16*, float*, float*);
template void wkv4_backward(const Wkv4Shape&, const Wkv4Inputs<float>&, const float*, const float*,
                            const float*, const float*, const Wkv4Gradients<float>&);
template void wkv4_backward(const Wkv4Shape&, const Wkv4Inputs<bf16>&, const float*, const float*,
                            const bf16*, const float*, const Wkv4Gradients<bf16>&);

}  // namespace rmkv::kernels::cpu
