// One token of RWKV-5 and 6, and its gradients; see wkv.h and wkv_scan.h.
#include "core/kernels/cpu/wkv.h"

#include "core/kernels/cpu/wkv_scan.h"

namespace rmkv::kernels::cpu {
namespace {

class Decaying {
 public:
  static constexpr bool kTurned = false;

  template <bool kOut>
  static void step(int64_t P, WkvChunkRows& rows, int64_t t, const float* S, float* next) {
    const WkvToken x(rows, P, t);
    float* y = &rows.y[t * P];
    const float own = kOut ? own_share(P, x) : 0;
    for_column_blocks(P, [&](auto width, int64_t first) {
      step_columns<kOut, decltype(width)::value>(P, x, own, first, S, next, y);
    });
  }

  static void step_back(int64_t P, const WkvChunkRows& rows, int64_t t, const float* S, float* G,
                        WkvChunkGradients& gradients) {
    const WkvToken x(rows, P, t);
    const WkvTokenGradients d(gradients, P, t);
    const float own = own_share(P, x), beta = dot(x.dy, x.v, P);
    for (int64_t c = 0; c < P; c += kLanes) {
      const Floats R = load(x.r + c), K = load(x.k + c), U = load(x.u + c);
      store(d.r + c, U * K * beta);
      store(d.k + c, R * U * beta);
      store(d.w + c, Floats{});
      store(d.u + c, load(d.u + c) + R * K * beta);
    }
    for_column_blocks(P, [&](auto width, int64_t first) {
      back_columns<decltype(width)::value>(P, x, own, first, S, G, d);
    });
  }

 private:
  // sum_i r_i u_i k_i: how strongly a token reads its own value.
  static float own_share(int64_t P, const WkvToken& x) {
    Floats sum{};
    for (int64_t c = 0; c < P; c += kLanes) sum += load(x.r + c) * load(x.k + c) * load(x.u + c);
    return sum_lanes(sum);
  }

  // Columns first .. first + 16 W - 1.
  template <bool kOut, int W>
  static void step_columns(int64_t P, WkvToken x, float own, int64_t first, const float* S,
                           float* next, float* y) {
    Floats value[W], sum[W];
#pragma GCC unroll 4
    for (int c = 0; c < W; ++c) {
      value[c] = load(x.v + first + c * kLanes);
      sum[c] = own * value[c];
    }
    for (int64_t i = 0; i < P; ++i) {
      const int64_t row = i * P + first;
      const Floats r = broadcast(x.r[i]), w = broadcast(x.w[i]), k = broadcast(x.k[i]);
#pragma GCC unroll 4
      for (int c = 0; c < W; ++c) {
        const Floats state = load(S + row + c * kLanes);
        if (kOut) sum[c] += r * state;
        store(next + row + c * kLanes, w * state + k * value[c]);
      }
    }
    if (!kOut) return;
#pragma GCC unroll 4
    for (int c = 0; c < W; ++c) store(y + first + c * kLanes, sum[c]);
  }

  template <int W>
  static void back_columns(int64_t P, WkvToken x, float own, int64_t first, const float* S,
                           float* G, WkvTokenGradients d) {
    Floats value[W], grad[W], sum[W];
#pragma GCC unroll 4
    for (int c = 0; c < W; ++c) {
      value[c] = load(x.v + first + c * kLanes);
      grad[c] = load(x.dy + first + c * kLanes);
      sum[c] = own * grad[c];
    }
    for (int64_t block = 0; block < P; block += kLanes) {
      Floats r_sums[kLanes], k_sums[kLanes], w_sums[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t key = block + i, row = key * P + first;
        const Floats r = broadcast(x.r[key]), w = broadcast(x.w[key]), k = broadcast(x.k[key]);
        Floats for_r{}, for_k{}, for_w{};
#pragma GCC unroll 4
        for (int c = 0; c < W; ++c) {
          const Floats state = load(S + row + c * kLanes), g = load(G + row + c * kLanes);
          for_r += grad[c] * state;
          for_k += value[c] * g;
          for_w += state * g;
          sum[c] += k * g;
          store(G + row + c * kLanes, w * g + r * grad[c]);
        }
        r_sums[i] = for_r;
        k_sums[i] = for_k;
        w_sums[i] = for_w;
      }
      store(d.r + block, load(d.r + block) + sum_rows(r_sums));
      store(d.k + block, load(d.k + block) + sum_rows(k_sums));
      store(d.w + block, load(d.w + block) + sum_rows(w_sums));
    }
#pragma GCC unroll 4
    for (int c = 0; c < W; ++c) store(d.v + first + c * kLanes, sum[c]);
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
