// One token of RWKV-5 and 6, and its gradients; see wkv.h and wkv_scan.h.
#include "core/kernels/cpu/wkv.h"

#include "core/kernels/cpu/wkv_scan.h"

namespace rmkv::kernels::cpu {
namespace {

struct Decaying {
  static constexpr bool kTurned = false;

  // sum_i r_i u_i k_i: how strongly a token reads its own value.
  static float own_share(int64_t P, const WkvChunkRows& rows, int64_t t) {
    Floats sum{};
    for (int64_t c = 0; c < P; c += kLanes) {
      sum += load(&rows.r[t * P + c]) * load(&rows.k[t * P + c]) * load(&rows.u[c]);
    }
    return sum_lanes(sum);
  }

  template <bool kOut>
  static void step(int64_t P, WkvChunkRows& rows, int64_t t, const float* S, float* next) {
    const float *r = &rows.r[t * P], *k = &rows.k[t * P], *w = &rows.w[t * P], *v = &rows.v[t * P];
    const float own = kOut ? own_share(P, rows, t) : 0;
    for_column_blocks(P, [&](auto width, int64_t first) {
      constexpr int W = decltype(width)::value;
      Floats value[W], sum[W];
      for (int c = 0; c < W; ++c) {
        value[c] = load(v + first + c * kLanes);
        sum[c] = own * value[c];
      }
      for (int64_t i = 0; i < P; ++i) {
        const int64_t row = i * P + first;
        for (int c = 0; c < W; ++c) {
          const Floats state = load(S + row + c * kLanes);
          if (kOut) sum[c] += r[i] * state;
          store(next + row + c * kLanes, w[i] * state + k[i] * value[c]);
        }
      }
      if (!kOut) return;
      for (int c = 0; c < W; ++c) store(&rows.y[t * P + first] + c * kLanes, sum[c]);
    });
  }

  static void step_back(int64_t P, const WkvChunkRows& rows, int64_t t, const float* S, float* G,
                        WkvChunkGradients& d) {
    const float *r = &rows.r[t * P], *k = &rows.k[t * P], *w = &rows.w[t * P], *v = &rows.v[t * P],
                *dy = &rows.dy[t * P];
    float *dr = &d.r[t * P], *dk = &d.k[t * P], *dw = &d.w[t * P];
    const float own = own_share(P, rows, t), beta = dot(dy, v, P);
    for (int64_t c = 0; c < P; c += kLanes) {
      const Floats R = load(r + c), K = load(k + c), U = load(&rows.u[c]);
      store(dr + c, U * K * beta);
      store(dk + c, R * U * beta);
      store(dw + c, Floats{});
      store(&d.u[c], load(&d.u[c]) + R * K * beta);
    }
    for_column_blocks(P, [&](auto width, int64_t first) {
      constexpr int W = decltype(width)::value;
      Floats value[W], grad[W], sum[W];
      for (int c = 0; c < W; ++c) {
        value[c] = load(v + first + c * kLanes);
        grad[c] = load(dy + first + c * kLanes);
        sum[c] = own * grad[c];
      }
      for (int64_t block = 0; block < P; block += kLanes) {
        Floats r_sums[kLanes], k_sums[kLanes], w_sums[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          const int64_t key = block + i, row = key * P + first;
          Floats for_r{}, for_k{}, for_w{};
          for (int c = 0; c < W; ++c) {
            const Floats state = load(S + row + c * kLanes), g = load(G + row + c * kLanes);
            for_r += grad[c] * state;
            for_k += value[c] * g;
            for_w += state * g;
            sum[c] += k[key] * g;
            store(G + row + c * kLanes, w[key] * g + r[key] * grad[c]);
          }
          r_sums[i] = for_r;
          k_sums[i] = for_k;
          w_sums[i] = for_w;
        }
        store(dr + block, load(dr + block) + sum_rows(r_sums));
        store(dk + block, load(dk + block) + sum_rows(k_sums));
        store(dw + block, load(dw + block) + sum_rows(w_sums));
      }
      for (int c = 0; c < W; ++c) store(&d.v[t * P + first] + c * kLanes, sum[c]);
    });
  }
};

}  // namespace

template <typename T>
void wkv_forward(const WkvShape& s, const WkvInputs<T>& in, T* out, float* final, float* kept) {
  scan_forward<Decaying>(s, in, out, final, kept);
}

template <typename T>
void wkv_backward(const WkvShape& s, const WkvInputs<T>& in, const float* kept, const T* grad_out,
                  const float* grad_final, const WkvGradients<T>& grads) {
  scan_backward<Decaying>(s, in, kept, grad_out, grad_final, grads);
}

template void wkv_forward(const WkvShape&, const WkvInputs<float>&, float*, float*, float*);
template void wkv_forward(const WkvShape&, const WkvInputs<bf16>&, bf16*, float*, float*);
template void wkv_backward(const WkvShape&, const WkvInputs<float>&, const float*, const float*,
                           const float*, const WkvGradients<float>&);
template void wkv_backward(const WkvShape&, const WkvInputs<bf16>&, const float*, const bf16*,
                           const float*, const WkvGradients<bf16>&);

}  // namespace rmkv::kernels::cpu
