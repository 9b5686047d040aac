// See wkv7.h.  Scratch states are turned over, [key, value]: S z, S r and the update then run along
// values.  Heads of lanes go to threads whole; nothing is summed across them here.
#include "core/kernels/cpu/wkv7.h"

#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

// Rows of one chunk of one head, [kWkvChunk, P] each.
struct ChunkRows {
  explicit ChunkRows(int64_t P)
      : r(kWkvChunk * P),
        w(kWkvChunk * P),
        k(kWkvChunk * P),
        v(kWkvChunk * P),
        z(kWkvChunk * P),
        b(kWkvChunk * P),
        y(kWkvChunk * P),
        c(kWkvChunk * P) {}
  std::vector<float> r, w, k, v, z, b, y;
  std::vector<float> c;  // S z
};

template <typename T>
void gather_chunk(const WkvShape& s, const Wkv7Inputs<T>& in, int64_t at, int64_t count,
                  ChunkRows& rows) {
  const int64_t N = s.head_size, P = s.padded();
  gather_rows(in.receptance + at, s.row(), count, N, P, rows.r.data());
  gather_rows(in.decay + at, s.row(), count, N, P, rows.w.data());
  gather_rows(in.key + at, s.row(), count, N, P, rows.k.data());
  gather_rows(in.value + at, s.row(), count, N, P, rows.v.data());
  gather_rows(in.removal + at, s.row(), count, N, P, rows.z.data());
  gather_rows(in.replacement + at, s.row(), count, N, P, rows.b.data());
}

// One token: advances S, writes c = S z and y = S r.
void step(int64_t P, const ChunkRows& rows, int64_t t, float* S, float* c_row, float* y) {
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
      store(c_row + first + n * kLanes, c[n]);
    }
    for (int64_t j = 0; j < P; j += 2) {
      float* row = S + j * P + first;
      for (int n = 0; n < W; ++n) {
        const Floats even = w[j] * load(row + n * kLanes) + b[j] * c[n] + k[j] * value[n];
        const Floats odd =
            w[j + 1] * load(row + P + n * kLanes) + b[j + 1] * c[n] + k[j + 1] * value[n];
        store(row + n * kLanes, even);
        store(row + P + n * kLanes, odd);
        sum[n] += r[j] * even;
        sum_odd[n] += r[j + 1] * odd;
      }
    }
    for (int n = 0; n < W; ++n) store(y + first + n * kLanes, sum[n] + sum_odd[n]);
  });
}

struct TokenGradients {
  float *r, *w, *k, *v, *z, *b;  // [P]
};

// Gradients of one token: G is dL/dS after the token on entry, before it on return (both turned
// over).  `before` and `after` are the states around the token.
void step_back(int64_t P, const ChunkRows& rows, int64_t t, const float* before, const float* after,
               float* G, const TokenGradients& d) {
  const float *r = &rows.r[t * P], *w = &rows.w[t * P], *k = &rows.k[t * P], *v = &rows.v[t * P],
              *z = &rows.z[t * P], *b = &rows.b[t * P], *dy = &rows.y[t * P], *c = &rows.c[t * P];
  for (float* sums : {d.r, d.w, d.k, d.z, d.b}) {
    std::memset(sums, 0, static_cast<size_t>(P) * sizeof(float));
  }
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
          store(G + row + n * kLanes, h);
          for_r += load(after + row + n * kLanes) * grad[n];
          for_w += load(before + row + n * kLanes) * h;
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
      store(d.r + block, load(d.r + block) + sum_rows(r_sums));
      store(d.w + block, load(d.w + block) + sum_rows(w_sums));
      store(d.k + block, load(d.k + block) + sum_rows(k_sums));
      store(d.b + block, load(d.b + block) + sum_rows(b_sums));
    }
    for (int64_t block = 0; block < P; block += kLanes) {
      Floats z_sums[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t j = block + i, row = j * P + first;
        Floats for_z{};
        for (int n = 0; n < W; ++n) {
          for_z += load(before + row + n * kLanes) * dc[n];
          store(G + row + n * kLanes, w[j] * load(G + row + n * kLanes) + z[j] * dc[n]);
        }
        z_sums[i] = for_z;
      }
      store(d.z + block, load(d.z + block) + sum_rows(z_sums));
    }
    for (int n = 0; n < W; ++n) store(d.v + first + n * kLanes, dv[n]);
  });
}

uint8_t mark_at(const uint8_t* marks, const WkvShape& s, int64_t b, int64_t t) {
  return marks ? marks[b * s.tokens + t] : 0;
}

int64_t work_of(const WkvShape& s) {
  return 4 * s.tokens * s.padded() * s.padded();
}

}  // namespace

template <typename T>
void wkv7_forward(const WkvShape& s, const Wkv7Inputs<T>& in, T* out, float* final, float* kept) {
  const int64_t N = s.head_size, P = s.padded(), area = P * P, chunks = wkv_chunks(s.tokens);
  parallel_for(s.lanes * s.heads, grain_of(work_of(s)), [&](int64_t begin, int64_t end) {
    std::vector<float> S(area);
    ChunkRows rows(P);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / s.heads, h = item % s.heads;
      load_state(in.initial + item * N * N, true, N, P, S.data());
      for (int64_t first = 0; first < s.tokens; first += kWkvChunk) {
        const int64_t count = std::min(kWkvChunk, s.tokens - first), at = s.at(b, first, h);
        if (kept) {
          std::memcpy(kept + (item * chunks + first / kWkvChunk) * area, S.data(),
                      static_cast<size_t>(area) * sizeof(float));
        }
        gather_chunk(s, in, at, count, rows);
        for (int64_t t = 0; t < count; ++t) {
          const uint8_t mark = mark_at(in.marks, s, b, first + t);
          if (mark & kMarkReset) {
            load_state(in.reset ? in.reset + h * N * N : nullptr, true, N, P, S.data());
          }
          float* y = &rows.y[t * P];
          if (mark & kMarkSkip) {
            std::memset(y, 0, static_cast<size_t>(P) * sizeof(float));
          } else {
            step(P, rows, t, S.data(), &rows.c[t * P], y);
          }
        }
        scatter_rows(rows.y.data(), s.row(), count, N, P, out + at);
      }
      save_state(S.data(), true, N, P, final + item * N * N);
    }
  });
}

template <typename T>
void wkv7_backward(const WkvShape& s, const Wkv7Inputs<T>& in, const float* kept, const T* grad_out,
                   const float* grad_final, const Wkv7Gradients<T>& grads) {
  const int64_t N = s.head_size, P = s.padded(), area = P * P, chunks = wkv_chunks(s.tokens);
  const auto area_bytes = static_cast<size_t>(area) * sizeof(float);
  parallel_for(s.lanes * s.heads, grain_of(3 * work_of(s)), [&](int64_t begin, int64_t end) {
    // States before and after each token of the chunk: a reset comes between a state after and the
    // next before.
    std::vector<float> before(kWkvChunk * area), last(area), G(area), reset(area), y(P);
    std::vector<float> d[6];
    for (auto& grad : d) grad.resize(kWkvChunk * P);
    ChunkRows rows(P);  // y holds dL/dy
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / s.heads, h = item % s.heads;
      const float* fresh = in.reset ? in.reset + h * N * N : nullptr;
      load_state(grad_final ? grad_final + item * N * N : nullptr, true, N, P, G.data());
      std::fill(reset.begin(), reset.end(), 0.0f);
      for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
        const int64_t first = chunk * kWkvChunk, count = std::min(kWkvChunk, s.tokens - first);
        const int64_t at = s.at(b, first, h);
        gather_chunk(s, in, at, count, rows);
        gather_rows(grad_out + at, s.row(), count, N, P, rows.y.data());
        std::memcpy(last.data(), kept + (item * chunks + chunk) * area, area_bytes);
        for (int64_t t = 0; t < count; ++t) {
          const uint8_t mark = mark_at(in.marks, s, b, first + t);
          if (mark & kMarkReset) load_state(fresh, true, N, P, last.data());
          std::memcpy(&before[t * area], last.data(), area_bytes);
          if (mark & kMarkSkip) continue;
          step(P, rows, t, last.data(), &rows.c[t * P], y.data());
        }
        // Backwards, `last` is the state after the token at hand.
        for (int64_t t = count - 1; t >= 0; --t) {
          const uint8_t mark = mark_at(in.marks, s, b, first + t);
          if (mark & kMarkSkip) {
            for (auto& grad : d) {
              std::memset(&grad[t * P], 0, static_cast<size_t>(P) * sizeof(float));
            }
          } else {
            step_back(P, rows, t, &before[t * area], last.data(), G.data(),
                      {&d[0][t * P], &d[1][t * P], &d[2][t * P], &d[3][t * P], &d[4][t * P],
                       &d[5][t * P]});
          }
          if (mark & kMarkReset) {
            add_state(G.data(), area, reset.data());
            std::fill(G.begin(), G.end(), 0.0f);
          }
          if (t == 0) continue;
          if (mark & kMarkReset) {  // what the token before left is gone: compute it once more
            std::memcpy(last.data(), &before[(t - 1) * area], area_bytes);
            if (!(mark_at(in.marks, s, b, first + t - 1) & kMarkSkip)) {
              step(P, rows, t - 1, last.data(), &rows.c[(t - 1) * P], y.data());
            }
          } else {
            std::memcpy(last.data(), &before[t * area], area_bytes);
          }
        }
        scatter_rows(d[0].data(), s.row(), count, N, P, grads.receptance + at);
        scatter_rows(d[1].data(), s.row(), count, N, P, grads.decay + at);
        scatter_rows(d[2].data(), s.row(), count, N, P, grads.key + at);
        scatter_rows(d[3].data(), s.row(), count, N, P, grads.value + at);
        scatter_rows(d[4].data(), s.row(), count, N, P, grads.removal + at);
        scatter_rows(d[5].data(), s.row(), count, N, P, grads.replacement + at);
      }
      save_state(G.data(), true, N, P, grads.initial + item * N * N);
      if (grads.reset) save_state(reset.data(), true, N, P, grads.reset + item * N * N);
    }
  });
}

template void wkv7_forward(const WkvShape&, const Wkv7Inputs<float>&, float*, float*, float*);
template void wkv7_forward(const WkvShape&, const Wkv7Inputs<bf16>&, bf16*, float*, float*);
template void wkv7_backward(const WkvShape&, const Wkv7Inputs<float>&, const float*, const float*,
                            const float*, const Wkv7Gradients<float>&);
template void wkv7_backward(const WkvShape&, const Wkv7Inputs<bf16>&, const float*, const bf16*,
                            const float*, const Wkv7Gradients<bf16>&);

}  // namespace rmkv::kernels::cpu
