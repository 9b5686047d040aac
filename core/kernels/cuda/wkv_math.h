// What one GPU thread does per token in the recurrences of RWKV-4, 5, 6 and 7, the same on host and
// device, so that a test without a GPU runs the kernels' arithmetic thread by thread.
//
// A head of N channels has N threads.  Going forward, thread t owns the state's column (5, 6:
// [key, value]) or row (7: [value, key]) of value t.  Going back it owns in addition what belongs
// to key t, so that every sum over keys or values is one thread's: no sums across threads.  `rows`
// are N numbers that all threads read (shared memory). arXiv 2404.05892 and 2503.14456, section 4;
// rwkv-family.md, sections 1.2 to 1.5.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define RMKV_WKV_DEVICE __host__ __device__ __forceinline__
#else
#define RMKV_WKV_DEVICE inline
#endif

namespace rmkv::cuda {

// Tokens between two kept states.
constexpr int kWkvChunk = 16;

// --- RWKV-5 and 6: y = r^T (diag(u) k v^T + S), S <- diag(w) S + k v^T ---

// S[i] is S[i][t] over keys; v is the value of channel t.  -> y of channel t.
template <int N>
RMKV_WKV_DEVICE float wkv_forward_step(float (&S)[N], const float* r, const float* k,
                                       const float* w, const float* u, float v) {
  float y = 0;
  for (int i = 0; i < N; ++i) {
    const float added = k[i] * v;
    y += r[i] * (u[i] * added + S[i]);
    S[i] = w[i] * S[i] + added;
  }
  return y;
}

// S[j] is S[t][j] over values: the same update seen from key t.
template <int N>
RMKV_WKV_DEVICE void wkv_key_step(float (&S)[N], float k, float w, const float* v) {
  for (int j = 0; j < N; ++j) S[j] = w * S[j] + k * v[j];
}

struct WkvThreadGradient {
  float r, k, v, w, u;
};

// of_value[i] is dL/dS[i][t], of_key[j] dL/dS[t][j], after the token on entry, before it on return;
// S[j] is S[t][j] before the token.
template <int N>
RMKV_WKV_DEVICE WkvThreadGradient wkv_backward_step(float (&of_value)[N], float (&of_key)[N],
                                                    const float* S, int t, const float* r,
                                                    const float* k, const float* v, const float* w,
                                                    const float* u, const float* dy) {
  WkvThreadGradient d = {0, 0, 0, 0, 0};
  float beta = 0, ruk = 0;
  for (int i = 0; i < N; ++i) {
    beta += dy[i] * v[i];
    ruk += r[i] * u[i] * k[i];
    d.v += k[i] * of_value[i];
    d.r += dy[i] * S[i];
    d.k += v[i] * of_key[i];
    d.w += S[i] * of_key[i];
    of_value[i] = w[i] * of_value[i] + r[i] * dy[t];
    of_key[i] = w[t] * of_key[i] + r[t] * dy[i];
  }
  d.v += dy[t] * ruk;
  d.r += u[t] * k[t] * beta;
  d.k += r[t] * u[t] * beta;
  d.u = r[t] * k[t] * beta;
  return d;
}

// --- RWKV-7: S <- S diag(w) + (S z) b^T + v k^T, y = S r ---

struct Wkv7Output {
  float y, read;  // read = (S z) of channel t, before the token
};

// S[j] is S[t][j] over keys.
template <int N>
RMKV_WKV_DEVICE Wkv7Output wkv7_forward_step(float (&S)[N], const float* r, const float* w,
                                             const float* k, const float* z, const float* b,
                                             float v) {
  Wkv7Output out = {0, 0};
  for (int j = 0; j < N; ++j) out.read += S[j] * z[j];
  for (int j = 0; j < N; ++j) {
    S[j] = S[j] * w[j] + out.read * b[j] + v * k[j];
    out.y += S[j] * r[j];
  }
  return out;
}

struct Wkv7ThreadGradient {
  float r, w, k, v, z, b;
  float read;  // dL/d(S z) of channel t, which all threads need in the second half
};

// First half: adds dy r^T to both views of the gradient.  of_value[j] is dL/dS[t][j], of_key[i]
// dL/dS[i][t]; before and after are S[i][t] around the token, `stride` apart; reads = S z.
template <int N>
RMKV_WKV_DEVICE Wkv7ThreadGradient wkv7_backward_first(float (&of_value)[N], float (&of_key)[N],
                                                       const float* before, const float* after,
                                                       int stride, int t, const float* r,
                                                       const float* k, const float* v,
                                                       const float* b, const float* dy,
                                                       const float* reads) {
  Wkv7ThreadGradient d = {0, 0, 0, 0, 0, 0, 0};
  for (int i = 0; i < N; ++i) {
    of_value[i] += dy[t] * r[i];
    of_key[i] += dy[i] * r[t];
    d.v += k[i] * of_value[i];
    d.read += b[i] * of_value[i];
    d.r += after[i * stride] * dy[i];
    d.w += before[i * stride] * of_key[i];
    d.k += v[i] * of_key[i];
    d.b += reads[i] * of_key[i];
  }
  return d;
}

// Second half, with dL/d(S z) of all channels: moves the gradient before the token.
template <int N>
RMKV_WKV_DEVICE float wkv7_backward_second(float (&of_value)[N], float (&of_key)[N],
                                           const float* before, int stride, int t, const float* w,
                                           const float* z, const float* d_reads) {
  float dz = 0;
  for (int i = 0; i < N; ++i) {
    dz += before[i * stride] * d_reads[i];
    of_value[i] = of_value[i] * w[i] + d_reads[t] * z[i];
    of_key[i] = of_key[i] * w[t] + d_reads[i] * z[t];
  }
  return dz;
}

// --- RWKV-4, one thread per channel; state (a, b, p) ---

struct Wkv4State {
  float a, b, p;
};
constexpr float kWkv4Empty = -1e30f;  // exponent of an empty state

RMKV_WKV_DEVICE float wkv4_output(const Wkv4State& s, float u, float k, float v) {
  const float q = fmaxf(s.p, u + k), old = expf(s.p - q), now = expf(u + k - q);
  return (old * s.a + now * v) / (old * s.b + now);
}

RMKV_WKV_DEVICE Wkv4State wkv4_advance(const Wkv4State& s, float w, float k, float v) {
  const float next = fmaxf(s.p + w, k), old = expf(s.p + w - next), now = expf(k - next);
  return {old * s.a + now * v, old * s.b + now, next};
}

// dL/da and dL/db at the state's own exponent, dL/dp beyond what they explain, and running sums.
struct Wkv4Reverse {
  float a, b, exponent, w, u;
};
struct Wkv4TokenGradient {
  float k, v;
};

// s is the state before the token, g = dL/dy; core/kernels/cpu/wkv4.cpp derives the same.
RMKV_WKV_DEVICE Wkv4TokenGradient wkv4_backward_step(const Wkv4State& s, float w, float u, float k,
                                                     float v, float g, Wkv4Reverse& d) {
  const float q = fmaxf(s.p, u + k), e1 = expf(s.p - q), e2 = expf(u + k - q);
  const float denominator = e1 * s.b + e2, y = (e1 * s.a + e2 * v) / denominator;
  const float for_num = g / denominator, for_den = -y * for_num;
  const float now = e2 * (v * for_num + for_den);
  const float next = fmaxf(s.p + w, k), f1 = expf(s.p + w - next), f2 = expf(k - next);
  const bool keeps = s.p + w > k;
  Wkv4TokenGradient token;
  token.v = e2 * for_num + f2 * d.a;
  token.k = now + f2 * (v * d.a + d.b) + (keeps ? 0.0f : d.exponent);
  if (!keeps) d.exponent = 0;
  d.u += now;
  d.w += f1 * (s.a * d.a + s.b * d.b) + d.exponent;
  d.a = f1 * d.a + e1 * for_num;
  d.b = f1 * d.b + e1 * for_den;
  return token;
}

}  // namespace rmkv::cuda
