// See wkv.h.  Heads of lanes go to threads whole; nothing is summed across them here.
#include "core/kernels/cpu/wkv.h"

#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

// Rows of one chunk of one head, [kWkvChunk, P] each.
struct ChunkRows {
  explicit ChunkRows(int64_t P)
      : r(kWkvChunk * P), k(kWkvChunk * P), v(kWkvChunk * P), w(kWkvChunk * P), y(kWkvChunk * P) {}
  std::vector<float> r, k, v, w, y;
};

template <typename T>
void gather_chunk(const WkvShape& s, const WkvInputs<T>& in, int64_t b, int64_t h, int64_t first,
                  int64_t count, ChunkRows& rows) {
  const int64_t N = s.head_size, P = s.padded(), at = s.at(b, first, h);
  gather_rows(in.receptance + at, s.row(), count, N, P, rows.r.data());
  gather_rows(in.key + at, s.row(), count, N, P, rows.k.data());
  gather_rows(in.value + at, s.row(), count, N, P, rows.v.data());
  if (in.constant_decay) {
    gather_rows(in.decay + h * N, 0, count, N, P, rows.w.data());
  } else {
    gather_rows(in.decay + at, s.row(), count, N, P, rows.w.data());
  }
}

// One token: reads and advances S, writes y (unless null).
void step(int64_t P, const float* r, const float* k, const float* v, const float* w, const float* u,
          float* S, float* y) {
  float bonus = 0;
  if (y) {
    Floats sum{};
    for (int64_t c = 0; c < P; c += kLanes) sum += load(r + c) * load(k + c) * load(u + c);
    bonus = sum_lanes(sum);
  }
  for_column_blocks(P, [&](auto width, int64_t first) {
    constexpr int W = decltype(width)::value;
    Floats value[W], sum[W];
    for (int c = 0; c < W; ++c) {
      value[c] = load(v + first + c * kLanes);
      sum[c] = bonus * value[c];
    }
    for (int64_t i = 0; i < P; ++i) {
      float* row = S + i * P + first;
      for (int c = 0; c < W; ++c) {
        const Floats state = load(row + c * kLanes);
        sum[c] += r[i] * state;
        store(row + c * kLanes, w[i] * state + k[i] * value[c]);
      }
    }
    if (!y) return;
    for (int c = 0; c < W; ++c) store(y + first + c * kLanes, sum[c]);
  });
}

// Gradients of one token: G is dL/dS after the token on entry, before it on return.
// Row sums dr, dk, dw are added to; dv is written.
void step_back(int64_t P, const float* r, const float* k, const float* v, const float* w,
               const float* u, const float* dy, const float* S, float* G, float* dr, float* dk,
               float* dv, float* dw, float* du) {
  float ruk = 0, beta = dot(dy, v, P);
  {
    Floats sum{};
    for (int64_t c = 0; c < P; c += kLanes) sum += load(r + c) * load(k + c) * load(u + c);
    ruk = sum_lanes(sum);
  }
  for (int64_t c = 0; c < P; c += kLanes) {
    const Floats R = load(r + c), K = load(k + c), U = load(u + c);
    store(dr + c, U * K * beta);
    store(dk + c, R * U * beta);
    store(du + c, load(du + c) + R * K * beta);
    store(dw + c, Floats{});
  }
  for_column_blocks(P, [&](auto width, int64_t first) {
    constexpr int W = decltype(width)::value;
    Floats value[W], grad[W], sum[W];
    for (int c = 0; c < W; ++c) {
      value[c] = load(v + first + c * kLanes);
      grad[c] = load(dy + first + c * kLanes);
      sum[c] = ruk * grad[c];
    }
    for (int64_t block = 0; block < P; block += kLanes) {
      Floats r_sums[kLanes], k_sums[kLanes], w_sums[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t row = (block + i) * P + first;
        Floats for_r{}, for_k{}, for_w{};
        for (int c = 0; c < W; ++c) {
          const Floats state = load(S + row + c * kLanes), g = load(G + row + c * kLanes);
          for_r += grad[c] * state;
          for_k += value[c] * g;
          for_w += state * g;
          sum[c] += k[block + i] * g;
          store(G + row + c * kLanes, w[block + i] * g + r[block + i] * grad[c]);
        }
        r_sums[i] = for_r;
        k_sums[i] = for_k;
        w_sums[i] = for_w;
      }
      store(dr + block, load(dr + block) + sum_rows(r_sums));
      store(dk + block, load(dk + block) + sum_rows(k_sums));
      store(dw + block, load(dw + block) + sum_rows(w_sums));
    }
    for (int c = 0; c < W; ++c) store(dv + first + c * kLanes, sum[c]);
  });
}

uint8_t mark_at(const uint8_t* marks, const WkvShape& s, int64_t b, int64_t t) {
  return marks ? marks[b * s.tokens + t] : 0;
}

int64_t work_of(const WkvShape& s) {
  return 3 * s.tokens * s.padded() * s.padded();
}

}  // namespace

template <typename T>
void wkv_forward(const WkvShape& s, const WkvInputs<T>& in, T* out, float* final, float* kept) {
  const int64_t N = s.head_size, P = s.padded(), area = P * P, chunks = wkv_chunks(s.tokens);
  parallel_for(s.lanes * s.heads, grain_of(work_of(s)), [&](int64_t begin, int64_t end) {
    std::vector<float> S(area), u(P);
    ChunkRows rows(P);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / s.heads, h = item % s.heads;
      load_state(in.initial + item * N * N, false, N, P, S.data());
      gather_rows(in.bonus + h * N, 0, 1, N, P, u.data());
      for (int64_t first = 0; first < s.tokens; first += kWkvChunk) {
        const int64_t count = std::min(kWkvChunk, s.tokens - first);
        if (kept) {
          std::memcpy(kept + (item * chunks + first / kWkvChunk) * area, S.data(),
                      static_cast<size_t>(area) * sizeof(float));
        }
        gather_chunk(s, in, b, h, first, count, rows);
        for (int64_t t = 0; t < count; ++t) {
          const uint8_t mark = mark_at(in.marks, s, b, first + t);
          float* y = rows.y.data() + t * P;
          if (mark & kMarkReset) {
            load_state(in.reset ? in.reset + h * N * N : nullptr, false, N, P, S.data());
          }
          if (mark & kMarkSkip) {
            std::memset(y, 0, static_cast<size_t>(P) * sizeof(float));
            continue;
          }
          step(P, &rows.r[t * P], &rows.k[t * P], &rows.v[t * P], &rows.w[t * P], u.data(),
               S.data(), y);
        }
        scatter_rows(rows.y.data(), s.row(), count, N, P, out + s.at(b, first, h));
      }
      save_state(S.data(), false, N, P, final + item * N * N);
    }
  });
}

template <typename T>
void wkv_backward(const WkvShape& s, const WkvInputs<T>& in, const float* kept, const T* grad_out,
                  const float* grad_final, const WkvGradients<T>& grads) {
  const int64_t N = s.head_size, P = s.padded(), area = P * P, chunks = wkv_chunks(s.tokens);
  parallel_for(s.lanes * s.heads, grain_of(3 * work_of(s)), [&](int64_t begin, int64_t end) {
    std::vector<float> states(kWkvChunk * area), S(area), G(area), reset(area), u(P), du(P);
    std::vector<float> dr(kWkvChunk * P), dk(kWkvChunk * P), dv(kWkvChunk * P), dw(kWkvChunk * P);
    std::vector<float> dw_sum(P);
    ChunkRows rows(P);  // y holds dL/dy
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / s.heads, h = item % s.heads;
      load_state(grad_final ? grad_final + item * N * N : nullptr, false, N, P, G.data());
      gather_rows(in.bonus + h * N, 0, 1, N, P, u.data());
      std::fill(du.begin(), du.end(), 0.0f);
      std::fill(reset.begin(), reset.end(), 0.0f);
      std::fill(dw_sum.begin(), dw_sum.end(), 0.0f);
      for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
        const int64_t first = chunk * kWkvChunk, count = std::min(kWkvChunk, s.tokens - first);
        gather_chunk(s, in, b, h, first, count, rows);
        gather_rows(grad_out + s.at(b, first, h), s.row(), count, N, P, rows.y.data());
        std::memcpy(S.data(), kept + (item * chunks + chunk) * area,
                    static_cast<size_t>(area) * sizeof(float));
        for (int64_t t = 0; t < count; ++t) {
          const uint8_t mark = mark_at(in.marks, s, b, first + t);
          if (mark & kMarkReset) {
            load_state(in.reset ? in.reset + h * N * N : nullptr, false, N, P, S.data());
          }
          std::memcpy(&states[t * area], S.data(), static_cast<size_t>(area) * sizeof(float));
          if (mark & kMarkSkip) continue;
          step(P, &rows.r[t * P], &rows.k[t * P], &rows.v[t * P], &rows.w[t * P], u.data(),
               S.data(), nullptr);
        }
        for (int64_t t = count - 1; t >= 0; --t) {
          const uint8_t mark = mark_at(in.marks, s, b, first + t);
          const int64_t at = t * P;
          if (mark & kMarkSkip) {
            for (auto* grad : {&dr, &dk, &dv, &dw}) {
              std::memset(&(*grad)[at], 0, static_cast<size_t>(P) * sizeof(float));
            }
          } else {
            step_back(P, &rows.r[at], &rows.k[at], &rows.v[at], &rows.w[at], u.data(), &rows.y[at],
                      &states[t * area], G.data(), &dr[at], &dk[at], &dv[at], &dw[at], du.data());
          }
          if (in.constant_decay) add_state(&dw[at], P, dw_sum.data());
          if (mark & kMarkReset) {
            add_state(G.data(), area, reset.data());
            std::fill(G.begin(), G.end(), 0.0f);
          }
        }
        const int64_t at = s.at(b, first, h);
        scatter_rows(dr.data(), s.row(), count, N, P, grads.receptance + at);
        scatter_rows(dk.data(), s.row(), count, N, P, grads.key + at);
        scatter_rows(dv.data(), s.row(), count, N, P, grads.value + at);
        if (!in.constant_decay) scatter_rows(dw.data(), s.row(), count, N, P, grads.decay + at);
      }
      if (in.constant_decay) scatter_rows(dw_sum.data(), 0, 1, N, P, grads.decay + item * N);
      scatter_rows(du.data(), 0, 1, N, P, grads.bonus + item * N);
      save_state(G.data(), false, N, P, grads.initial + item * N * N);
      if (grads.reset) save_state(reset.data(), false, N, P, grads.reset + item * N * N);
    }
  });
}

template void wkv_forward(const WkvShape&, const WkvInputs<float>&, float*, float*, float*);
template void wkv_forward(const WkvShape&, const WkvInputs<bf16>&, bf16*, float*, float*);
template void wkv_backward(const WkvShape&, const WkvInputs<float>&, const float*, const float*,
                           const float*, const WkvGradients<float>&);
template void wkv_backward(const WkvShape&, const WkvInputs<bf16>&, const float*, const bf16*,
                           const float*, const WkvGradients<bf16>&);

}  // namespace rmkv::kernels::cpu
