// One token of RWKV-7, and its gradients; see wkv.h and wkv_scan.h.  Scratch states are turned
// over, [key, value]: S z, S r and the update then run along values.
#include "core/kernels/cpu/wkv.h"
#include "core/kernels/cpu/wkv_scan.h"

namespace rmkv::kernels::cpu {
namespace {

class Rewriting {
 public:
  static constexpr bool kTurned = true;

  template <bool kOut>
  static void step(int64_t P, WkvChunkRows& rows, int64_t t, const float* S, float* next) {
    const WkvToken x(rows, P, t);
    float *y = &rows.y[t * P], *c = &rows.c[t * P];
    for_column_blocks(P, [&](auto width, int64_t first) {
      step_columns<kOut, decltype(width)::value>(P, x, first, S, next, c, y);
    });
  }

  // With H = G + dy r^T (the gradient after the token, y included), c = S z and D = dL/dc = H b:
  //   dr = S'^T dy = w (S^T dy) + b (c dy) + k (v dy);  dv = H k;  dk = H^T v;  db = H^T c
  //   dw_j = sum_i H_ij S_ij;  dz = S^T D;  G <- H diag(w) + D z^T
  static void step_back(int64_t P, const WkvChunkRows& rows, int64_t t, const float* S, float* G,
                        WkvChunkGradients& gradients) {
    const WkvToken x(rows, P, t);
    const WkvTokenGradients d(gradients, P, t);
    for (float* sums : {d.r, d.w, d.k, d.z, d.b}) clear_floats(sums, P);
    for_column_blocks(P, [&](auto width, int64_t first) {
      back_columns<decltype(width)::value>(P, x, first, S, G, d);
    });
    const float read_share = dot(x.c, x.dy, P), value_share = dot(x.v, x.dy, P);
    for (int64_t n = 0; n < P; n += kLanes) {
      store(d.r + n, load(x.w + n) * load(d.r + n) + load(x.b + n) * read_share +
                         load(x.k + n) * value_share);
    }
  }

 private:
  // Columns first .. first + 16 W - 1; writes them of c = S z too.
  template <bool kOut, int W>
  static void step_columns(int64_t P, WkvToken x, int64_t first, const float* S, float* next,
                           float* c_row, float* y) {
    // Two sums each, over even and odd keys: one alone would wait for itself.
    Floats c[W] = {}, c_odd[W] = {}, sum[W] = {}, sum_odd[W] = {}, value[W];
    for (int64_t j = 0; j < P; j += 2) {
      const float* row = S + j * P + first;
      const Floats z = broadcast(x.z[j]), z_odd = broadcast(x.z[j + 1]);
#pragma GCC unroll 4
      for (int n = 0; n < W; ++n) {
        c[n] += z * load(row + n * kLanes);
        c_odd[n] += z_odd * load(row + P + n * kLanes);
      }
    }
#pragma GCC unroll 4
    for (int n = 0; n < W; ++n) {
      c[n] += c_odd[n];
      value[n] = load(x.v + first + n * kLanes);
      store(c_row + first + n * kLanes, c[n]);
    }
    const auto advance = [&](int64_t j, Floats* sums) {
      const float* row = S + j * P + first;
      float* to = next + j * P + first;
      const Floats w = broadcast(x.w[j]), b = broadcast(x.b[j]), k = broadcast(x.k[j]),
                   r = broadcast(x.r[j]);
#pragma GCC unroll 4
      for (int n = 0; n < W; ++n) {
        const Floats state = w * load(row + n * kLanes) + b * c[n] + k * value[n];
        store(to + n * kLanes, state);
        if (kOut) sums[n] += r * state;
      }
    };
    for (int64_t j = 0; j < P; j += 2) {
      advance(j, sum);
      advance(j + 1, sum_odd);
    }
    if (!kOut) return;
#pragma GCC unroll 4
    for (int n = 0; n < W; ++n) store(y + first + n * kLanes, sum[n] + sum_odd[n]);
  }

  template <int W>
  static void back_columns(int64_t P, WkvToken x, int64_t first, const float* S, float* G,
                           WkvTokenGradients d) {
    Floats grad[W], value[W], read[W], dv[W] = {}, dc[W] = {};
#pragma GCC unroll 4
    for (int n = 0; n < W; ++n) {
      grad[n] = load(x.dy + first + n * kLanes);
      value[n] = load(x.v + first + n * kLanes);
      read[n] = load(x.c + first + n * kLanes);
    }
    for (int64_t block = 0; block < P; block += kLanes) {
      Floats r_sums[kLanes], w_sums[kLanes], k_sums[kLanes], b_sums[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t j = block + i, row = j * P + first;
        const Floats r = broadcast(x.r[j]), k = broadcast(x.k[j]), b = broadcast(x.b[j]);
        Floats for_r{}, for_w{}, for_k{}, for_b{};
#pragma GCC unroll 4
        for (int n = 0; n < W; ++n) {
          const Floats h = load(G + row + n * kLanes) + r * grad[n];
          const Floats state = load(S + row + n * kLanes);
          store(G + row + n * kLanes, h);
          for_r += state * grad[n];
          for_w += state * h;
          for_k += value[n] * h;
          for_b += read[n] * h;
          dv[n] += k * h;
          dc[n] += b * h;
        }
        r_sums[i] = for_r;
        w_sums[i] = for_w;
        k_sums[i] = for_k;
        b_sums[i] = for_b;
      }
      store(d.r + block, load(d.r + block) + sum_rows(r_sums));
      store(d.w + block, load(d.w + block) + sum_rows(w_sums));
      store(d.k + block, load(d.k + block) + sum_rows(k_sums));
      store(d.b + block, load(d.b + block) + sum_rows(b_sums));
    }
    for (int64_t block = 0; block < P; block += kLanes) {
      Floats z_sums[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t j = block + i, row = j * P + first;
        const Floats w = broadcast(x.w[j]), z = broadcast(x.z[j]);
        Floats for_z{};
#pragma GCC unroll 4
        for (int n = 0; n < W; ++n) {
          for_z += load(S + row + n * kLanes) * dc[n];
          store(G + row + n * kLanes, w * load(G + row + n * kLanes) + z * dc[n]);
        }
        z_sums[i] = for_z;
      }
      store(d.z + block, load(d.z + block) + sum_rows(z_sums));
    }
#pragma GCC unroll 4
    for (int n = 0; n < W; ++n) store(d.v + first + n * kLanes, dv[n]);
  }
};

}  // namespace

template <typename T>
void wkv7_forward(const WkvShape& s, const WkvInputs<T>& in, T* out, float* final, float* kept) {
  scan_forward<Rewriting>(s, in, out, final, kept);
}

template <typename T>
void wkv7_backward(const WkvShape& s, const WkvInputs<T>& in, const float* kept, const T* grad_out,
                   const float* grad_final, const WkvGradients<T>& grads) {
  scan_backward<Rewriting>(s, in, kept, grad_out, grad_final, grads);
}

template void wkv7_forward(const WkvShape&, const WkvInputs<float>&, float*, float*, float*);
template void wkv7_forward(const WkvShape&, const WkvInputs<bf16>&, bf16*, float*, float*);
template void wkv7_backward(const WkvShape&, const WkvInputs<float>&, const float*, const float*,
                            const float*, const WkvGradients<float>&);
template void wkv7_backward(const WkvShape&, const WkvInputs<bf16>&, const float*, const bf16*,
                            const float*, const WkvGradients<bf16>&);

}  // namespace rmkv::kernels::cpu
