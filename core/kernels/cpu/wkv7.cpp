// One token of RWKV-7, and its gradients; see wkv.h and wkv_scan.h.  Scratch states are turned
// over, [key, value]: S z, S r and the update then run along values.
#include "core/kernels/cpu/wkv.h"
#include "core/kernels/cpu/wkv_scan.h"

namespace rmkv::kernels::cpu {
namespace {

struct Rewriting {
  static constexpr bool kTurned = true;

  template <bool kOut>
  static void step(int64_t P, WkvChunkRows& rows, int64_t t, const float* S, float* next) {
    const float *r = &rows.r[t * P], *w = &rows.w[t * P], *k = &rows.k[t * P], *v = &rows.v[t * P],
                *z = &rows.z[t * P], *b = &rows.b[t * P];
    for_column_blocks(P, [&](auto width, int64_t first) {
      constexpr int W = decltype(width)::value;
      // Two sums each, over even and odd keys: one alone would wait for itself.
      Floats c[W] = {}, c_odd[W] = {}, sum[W] = {}, sum_odd[W] = {}, value[W];
      for (int64_t j = 0; j < P; j += 2) {
        const float* row = S + j * P + first;
        for (int n = 0; n < W; ++n) {
          c[n] += z[j] * load(row + n * kLanes);
          c_odd[n] += z[j + 1] * load(row + P + n * kLanes);
        }
      }
      for (int n = 0; n < W; ++n) {
        c[n] += c_odd[n];
        value[n] = load(v + first + n * kLanes);
        store(&rows.c[t * P + first] + n * kLanes, c[n]);
      }
      for (int64_t j = 0; j < P; j += 2) {
        const float* row = S + j * P + first;
        float* to = next + j * P + first;
        for (int n = 0; n < W; ++n) {
          const Floats even = w[j] * load(row + n * kLanes) + b[j] * c[n] + k[j] * value[n];
          const Floats odd =
              w[j + 1] * load(row + P + n * kLanes) + b[j + 1] * c[n] + k[j + 1] * value[n];
          store(to + n * kLanes, even);
          store(to + P + n * kLanes, odd);
          if (kOut) {
            sum[n] += r[j] * even;
            sum_odd[n] += r[j + 1] * odd;
          }
        }
      }
      if (!kOut) return;
      for (int n = 0; n < W; ++n) {
        store(&rows.y[t * P + first] + n * kLanes, sum[n] + sum_odd[n]);
      }
    });
  }

  // With H = G + dy r^T (the gradient after the token, y included), c = S z and D = dL/dc = H b:
  //   dr = S'^T dy = w (S^T dy) + b (c dy) + k (v dy);  dv = H k;  dk = H^T v;  db = H^T c
  //   dw_j = sum_i H_ij S_ij;  dz = S^T D;  G <- H diag(w) + D z^T
  static void step_back(int64_t P, const WkvChunkRows& rows, int64_t t, const float* S, float* G,
                        WkvChunkGradients& d) {
    const float *r = &rows.r[t * P], *w = &rows.w[t * P], *k = &rows.k[t * P], *v = &rows.v[t * P],
                *z = &rows.z[t * P], *b = &rows.b[t * P], *c = &rows.c[t * P],
                *dy = &rows.dy[t * P];
    float *dr = &d.r[t * P], *dw = &d.w[t * P], *dk = &d.k[t * P], *dz = &d.z[t * P],
          *db = &d.b[t * P];
    for (float* sums : {dr, dw, dk, dz, db}) clear_floats(sums, P);
    for_column_blocks(P, [&](auto width, int64_t first) {
      constexpr int W = decltype(width)::value;
      Floats grad[W], value[W], read[W], dv[W] = {}, dc[W] = {};
      for (int n = 0; n < W; ++n) {
        grad[n] = load(dy + first + n * kLanes);
        value[n] = load(v + first + n * kLanes);
        read[n] = load(c + first + n * kLanes);
      }
      for (int64_t block = 0; block < P; block += kLanes) {
        Floats r_sums[kLanes], w_sums[kLanes], k_sums[kLanes], b_sums[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          const int64_t j = block + i, row = j * P + first;
          Floats for_r{}, for_w{}, for_k{}, for_b{};
          for (int n = 0; n < W; ++n) {
            const Floats h = load(G + row + n * kLanes) + r[j] * grad[n];
            const Floats state = load(S + row + n * kLanes);
            store(G + row + n * kLanes, h);
            for_r += state * grad[n];
            for_w += state * h;
            for_k += value[n] * h;
            for_b += read[n] * h;
            dv[n] += k[j] * h;
            dc[n] += b[j] * h;
          }
          r_sums[i] = for_r;
          w_sums[i] = for_w;
          k_sums[i] = for_k;
          b_sums[i] = for_b;
        }
        store(dr + block, load(dr + block) + sum_rows(r_sums));
        store(dw + block, load(dw + block) + sum_rows(w_sums));
        store(dk + block, load(dk + block) + sum_rows(k_sums));
        store(db + block, load(db + block) + sum_rows(b_sums));
      }
      for (int64_t block = 0; block < P; block += kLanes) {
        Floats z_sums[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          const int64_t j = block + i, row = j * P + first;
          Floats for_z{};
          for (int n = 0; n < W; ++n) {
            for_z += load(S + row + n * kLanes) * dc[n];
            store(G + row + n * kLanes, w[j] * load(G + row + n * kLanes) + z[j] * dc[n]);
          }
          z_sums[i] = for_z;
        }
        store(dz + block, load(dz + block) + sum_rows(z_sums));
      }
      for (int n = 0; n < W; ++n) store(&d.v[t * P + first] + n * kLanes, dv[n]);
    });
    const float read_share = dot(c, dy, P), value_share = dot(v, dy, P);
    for (int64_t n = 0; n < P; n += kLanes) {
      store(dr + n,
            load(w + n) * load(dr + n) + load(b + n) * read_share + load(k + n) * value_share);
    }
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
