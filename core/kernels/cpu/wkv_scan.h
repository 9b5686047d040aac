// The walk over tokens that the matrix-state recurrences share: chunks, marks, states kept and
// computed again.  What one token does to a state is the recurrence's: wkv.cpp, wkv7.cpp.
//
// A recurrence is a type with
//   kTurned: whether the state tensors are [value, key] (scratch states are [key, value])
//   step<kOut>(P, rows, t, S, next): the state after token t from the one before (they may be the
//     same); with kOut writes row t of y
//   step_back(P, rows, t, S, G, d): G is dL/dS after the token on entry, before it on return; S is
//     the state before; writes rows t of d
// Heads of lanes go to threads whole; nothing is summed across them here.
#pragma once

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/wkv.h"

namespace rmkv::kernels::cpu {

// Rows of one chunk of one head, [kWkvChunk, P] each.
struct WkvChunkRows {
  explicit WkvChunkRows(int64_t P) : u(P) {
    for (auto* row : {&r, &w, &k, &v, &z, &b, &c, &y, &dy}) row->resize(kWkvChunk * P);
  }
  std::vector<float> r, w, k, v;
  std::vector<float> u;        // bonus of the head, [P]
  std::vector<float> z, b, c;  // version 7; c = S z, which step leaves for step_back
  std::vector<float> y, dy;
};

// The rows of one token.  Handed to inner loops by value: their stores could otherwise change the
// pointers for all the compiler knows, and it would read them again each time.
struct WkvToken {
  WkvToken(const WkvChunkRows& rows, int64_t P, int64_t t)
      : r(&rows.r[t * P]),
        w(&rows.w[t * P]),
        k(&rows.k[t * P]),
        v(&rows.v[t * P]),
        u(rows.u.data()),
        z(&rows.z[t * P]),
        b(&rows.b[t * P]),
        c(&rows.c[t * P]),
        dy(&rows.dy[t * P]) {}
  const float *r, *w, *k, *v, *u, *z, *b, *c, *dy;
};

// Gradients of the same rows; du is summed over all tokens.
struct WkvChunkGradients {
  explicit WkvChunkGradients(int64_t P) : u(P), constant_w(P) {
    for (auto* row : {&r, &w, &k, &v, &z, &b}) row->resize(kWkvChunk * P);
  }
  std::vector<float> r, w, k, v, z, b, u;
  std::vector<float> constant_w;  // of a decay that is the same for all tokens, [P]
};
struct WkvTokenGradients {
  WkvTokenGradients(WkvChunkGradients& d, int64_t P, int64_t t)
      : r(&d.r[t * P]),
        w(&d.w[t * P]),
        k(&d.k[t * P]),
        v(&d.v[t * P]),
        z(&d.z[t * P]),
        b(&d.b[t * P]),
        u(d.u.data()) {}
  float *r, *w, *k, *v, *z, *b, *u;
};

template <typename T>
void gather_chunk(const WkvShape& s, const WkvInputs<T>& in, int64_t b, int64_t h, int64_t first,
                  int64_t count, WkvChunkRows& rows) {
  const int64_t N = s.head_size, P = s.padded(), at = s.at(b, first, h);
  const auto gather = [&](const T* from, std::vector<float>& to) {
    if (from) gather_rows(from + at, s.row(), count, N, P, to.data());
  };
  gather(in.receptance, rows.r);
  gather(in.key, rows.k);
  gather(in.value, rows.v);
  gather(in.removal, rows.z);
  gather(in.replacement, rows.b);
  const int64_t stride = in.constant_decay ? 0 : s.row();
  gather_rows(in.decay + (in.constant_decay ? h * N : at), stride, count, N, P, rows.w.data());
}

template <typename Recurrence, typename T>
void scan_forward(const WkvShape& s, const WkvInputs<T>& in, T* out, float* final, float* kept) {
  const int64_t N = s.head_size, P = s.padded(), area = P * P, chunks = wkv_chunks(s.tokens);
  parallel_for(s.lanes * s.heads, grain_of(4 * s.tokens * area), [&](int64_t begin, int64_t end) {
    std::vector<float> S(area);
    WkvChunkRows rows(P);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / s.heads, h = item % s.heads;
      load_state(in.initial + item * N * N, Recurrence::kTurned, N, P, S.data());
      if (in.bonus) gather_rows(in.bonus + h * N, 0, 1, N, P, rows.u.data());
      for (int64_t first = 0; first < s.tokens; first += kWkvChunk) {
        const int64_t count = std::min(kWkvChunk, s.tokens - first);
        if (kept) copy_floats(S.data(), area, kept + (item * chunks + first / kWkvChunk) * area);
        gather_chunk(s, in, b, h, first, count, rows);
        for (int64_t t = 0; t < count; ++t) {
          const uint8_t mark = mark_at(in.marks, b * s.tokens + first + t);
          if (mark & kMarkReset) {
            load_state(in.reset ? in.reset + h * N * N : nullptr, Recurrence::kTurned, N, P,
                       S.data());
          }
          if (mark & kMarkSkip) {
            clear_floats(&rows.y[t * P], P);
          } else {
            Recurrence::template step<true>(P, rows, t, S.data(), S.data());
          }
        }
        scatter_rows(rows.y.data(), s.row(), count, N, P, out + s.at(b, first, h));
      }
      save_state(S.data(), Recurrence::kTurned, N, P, final + item * N * N);
    }
  });
}

template <typename Recurrence, typename T>
void scan_backward(const WkvShape& s, const WkvInputs<T>& in, const float* kept, const T* grad_out,
                   const float* grad_final, const WkvGradients<T>& grads) {
  const int64_t N = s.head_size, P = s.padded(), area = P * P, chunks = wkv_chunks(s.tokens);
  constexpr bool kTurned = Recurrence::kTurned;
  parallel_for(s.lanes * s.heads, grain_of(12 * s.tokens * area), [&](int64_t begin, int64_t end) {
    // States before the tokens of a chunk, and the one after them.
    std::vector<float> states((kWkvChunk + 1) * area), G(area), reset(area);
    WkvChunkRows rows(P);
    WkvChunkGradients d(P);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / s.heads, h = item % s.heads;
      load_state(grad_final ? grad_final + item * N * N : nullptr, kTurned, N, P, G.data());
      if (in.bonus) gather_rows(in.bonus + h * N, 0, 1, N, P, rows.u.data());
      for (auto* sums : {&d.u, &d.constant_w, &reset}) std::fill(sums->begin(), sums->end(), 0.0f);
      for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
        const int64_t first = chunk * kWkvChunk, count = std::min(kWkvChunk, s.tokens - first);
        const int64_t at = s.at(b, first, h);
        gather_chunk(s, in, b, h, first, count, rows);
        gather_rows(grad_out + at, s.row(), count, N, P, rows.dy.data());
        copy_floats(kept + (item * chunks + chunk) * area, area, states.data());
        for (int64_t t = 0; t < count; ++t) {
          const uint8_t mark = mark_at(in.marks, b * s.tokens + first + t);
          float *S = &states[t * area], *next = S + area;
          if (mark & kMarkReset) {
            load_state(in.reset ? in.reset + h * N * N : nullptr, kTurned, N, P, S);
          }
          if (mark & kMarkSkip) {
            copy_floats(S, area, next);
          } else {
            Recurrence::template step<false>(P, rows, t, S, next);
          }
        }
        for (int64_t t = count - 1; t >= 0; --t) {
          const uint8_t mark = mark_at(in.marks, b * s.tokens + first + t);
          if (mark & kMarkSkip) {
            for (auto* row : {&d.r, &d.w, &d.k, &d.v, &d.z, &d.b}) clear_floats(&(*row)[t * P], P);
          } else {
            Recurrence::step_back(P, rows, t, &states[t * area], G.data(), d);
          }
          if (in.constant_decay) add_floats(&d.w[t * P], P, d.constant_w.data());
          if (mark & kMarkReset) {
            add_floats(G.data(), area, reset.data());
            clear_floats(G.data(), area);
          }
        }
        const auto scatter = [&](const std::vector<float>& from, auto* to) {
          if (to) scatter_rows(from.data(), s.row(), count, N, P, to + at);
        };
        scatter(d.r, grads.receptance);
        scatter(d.k, grads.key);
        scatter(d.v, grads.value);
        scatter(d.z, grads.removal);
        scatter(d.b, grads.replacement);
        if (!in.constant_decay) scatter(d.w, grads.decay);
      }
      if (in.constant_decay) {
        scatter_rows(d.constant_w.data(), 0, 1, N, P, grads.decay + item * N);
      }
      if (grads.bonus) scatter_rows(d.u.data(), 0, 1, N, P, grads.bonus + item * N);
      save_state(G.data(), kTurned, N, P, grads.initial + item * N * N);
      if (grads.reset) save_state(reset.data(), kTurned, N, P, grads.reset + item * N * N);
    }
  });
}

}  // namespace rmkv::kernels::cpu
