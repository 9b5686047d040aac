// See window_attention.h.  Queries go in blocks; a block meets the columns from the first that one
// of its rows sees to its last row's own.
#include "core/kernels/cpu/window_attention.h"

#include "core/kernels/cpu/attention_head.h"
#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

// Query rows of a block: its scores over a window of 512 are 100 kB, and sums over its rows are
// long enough to be worth a product.
constexpr int64_t kWindowBlock = 8 * kTileRows;

// The keys and values of one key head in the order of time, from column `base` on.
template <typename T>
struct WindowHead {
  static constexpr int64_t kElements = kLaneElements<T>;

  WindowHead(const WindowShape& shape, const WindowInputs<T>& in, int64_t lane, int64_t key_head)
      : shape(shape), low(in.low + lane * shape.tokens), head(shape.head_channels) {
    const int64_t first = *std::min_element(low, low + shape.tokens);
    base = first / kLanes * kLanes;
    width = round_up(shape.ring + shape.tokens - base, kLanes);
    keys.assign(static_cast<size_t>(width * head), T(0.0f));
    values = keys;
    const int64_t place = key_head * head, across = shape.key_heads * head;
    for (int64_t c = base; c < shape.ring + shape.tokens; ++c) {
      const int64_t slot = (in.start[lane] + c) % shape.ring;
      const T* row = c < shape.ring
                         ? in.ring + (lane * shape.ring + slot) * shape.key_width()
                         : in.fresh + lane * in.fresh_lane + (c - shape.ring) * in.fresh_row;
      copy_row(row + place, keys.data() + (c - base) * head);
      copy_row(row + across + place, values.data() + (c - base) * head);
    }
  }

  void copy_row(const T* from, T* to) const {
    std::memcpy(static_cast<void*>(to), from, static_cast<size_t>(head) * sizeof(T));
  }
  // Rows of T [width, D] -> lanes of their transpose [D / E, width].
  std::vector<float> across(const std::vector<T>& rows) const {
    std::vector<float> lanes(static_cast<size_t>(head / kElements * width));
    transpose_lanes(reinterpret_cast<const float*>(rows.data()), head / kElements, width,
                    head / kElements, lanes.data(), width);
    return lanes;
  }
  // -> lanes [width / E, D], consecutive along the columns.
  std::vector<float> pairs(const std::vector<T>& rows) const {
    std::vector<float> lanes(static_cast<size_t>(width / kElements * head));
    pair_rows(rows.data(), head, width, head, lanes.data(), head);
    return lanes;
  }

  const WindowShape& shape;
  const int64_t* low;  // [T]
  int64_t head;        // D
  int64_t base, width;
  std::vector<T> keys, values;  // [width, D], zeros behind the last column
};

// Rows t .. t + count - 1 and the columns start .. end - 1 (counted from base) that they meet.
struct WindowBlock {
  template <typename T>
  WindowBlock(const WindowHead<T>& of, int64_t t)
      : first(t), count(std::min(kWindowBlock, of.shape.tokens - t)) {
    const int64_t low = *std::min_element(of.low + t, of.low + t + count);
    start = (low - of.base) / kLanes * kLanes;
    end = round_up(of.shape.ring + t + count - of.base, kLanes);
  }
  int64_t first, count, start, end;
};

// Scores of a block, fp32 [count, width], over its columns; what a row does not see is -infinity.
template <typename T>
void window_scores(const WindowHead<T>& of, const WindowBlock& block, const T* queries,
                   int64_t query_row, const std::vector<float>& keys_across, float* scores) {
  constexpr int64_t kElements = kLaneElements<T>;
  small_product<T>(block.count, (block.end - block.start) / kLanes, of.head / kElements,
                   {reinterpret_cast<const float*>(queries), query_row / kElements, 1},
                   {keys_across.data() + block.start, of.width, 1}, scores + block.start, of.width);
  const Floats nothing = broadcast(-std::numeric_limits<float>::infinity());
  const float scale = 1.0f / std::sqrt(static_cast<float>(of.head));
  const Ints lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int64_t r = 0; r < block.count; ++r) {
    const auto low = static_cast<int32_t>(of.low[block.first + r] - of.base),
               last = static_cast<int32_t>(of.shape.ring + block.first + r - of.base);
    for (int64_t c = block.start; c < block.end; c += kLanes) {
      const Ints column = lane + static_cast<int32_t>(c);
      float* at = scores + r * of.width + c;
      store(at, ((column >= low) & (column <= last)) ? load(at) * scale : nothing);
    }
  }
}

int64_t work_of(const WindowShape& s) {
  return 2 * s.heads / s.key_heads * s.tokens * (s.ring + s.tokens) * s.head_channels;
}

template <typename T>
void forward_head(const WindowShape& shape, const WindowInputs<T>& in, int64_t lane,
                  int64_t key_head, T* out, float* log_sums) {
  constexpr int64_t kElements = kLaneElements<T>;
  const WindowHead<T> of(shape, in, lane, key_head);
  const int64_t head = of.head, width = of.width, group = shape.heads / shape.key_heads;
  const auto keys_across = of.across(of.keys), value_pairs = of.pairs(of.values);
  std::vector<float> scores(static_cast<size_t>(kWindowBlock * width));
  std::vector<float> mixed(static_cast<size_t>(kWindowBlock * head));
  std::vector<T> weights(static_cast<size_t>(kWindowBlock * width));
  const int64_t out_row = shape.heads * head;
  for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) {
    const T* queries = in.queries + lane * in.query_lane + h * head;
    for (int64_t t = 0; t < shape.tokens; t += kWindowBlock) {
      const WindowBlock block(of, t);
      window_scores(of, block, queries + t * in.query_row, in.query_row, keys_across,
                    scores.data());
      float inverse_sums[kWindowBlock];
      for (int64_t r = 0; r < block.count; ++r) {  // a row sees at least itself
        const auto [largest, sum] = exponential_row(
            scores.data() + r * width, weights.data() + r * width, block.start, block.end);
        inverse_sums[r] = 1.0f / sum;
        log_sums[(lane * shape.heads + h) * shape.tokens + t + r] = largest + std::log(sum);
      }
      const auto* lanes = reinterpret_cast<const float*>(weights.data());
      small_product<T>(block.count, head / kLanes, (block.end - block.start) / kElements,
                       {lanes + block.start / kElements, width / kElements, 1},
                       {value_pairs.data() + block.start / kElements * head, head, 1}, mixed.data(),
                       head);
      for (int64_t r = 0; r < block.count; ++r) {
        T* to = out + (lane * shape.tokens + t + r) * out_row + h * head;
        for (int64_t d = 0; d < head; d += kLanes) {
          store(to + d, load(mixed.data() + r * head + d) * inverse_sums[r]);
        }
      }
    }
  }
}

// What the gradients of one key head need beside its rows.
template <typename T>
struct WindowBackward {
  static constexpr int64_t kElements = kLaneElements<T>;

  explicit WindowBackward(const WindowHead<T>& of)
      : keys_across(of.across(of.keys)),
        values_across(of.across(of.values)),
        key_pairs(of.pairs(of.keys)),
        queries(size((kWindowBlock + 1) * of.head)),
        grads(queries.size()),
        query_pairs(size(kWindowBlock / kElements * of.head)),
        grad_pairs(query_pairs.size()),
        scores(size(kWindowBlock * of.width)),
        grad_scores(scores.size()),
        weights_row(size((kWindowBlock + 1) * of.width)),
        scores_row(weights_row.size()),
        weight_pairs(size(kWindowBlock / kElements * of.width)),
        score_pairs(weight_pairs.size()),
        grad_queries(size(kWindowBlock * of.head)),
        grad_keys(size(of.width * of.head)),
        grad_values(grad_keys.size()) {}

  std::vector<float> keys_across, values_across;  // lanes [D / E, width]
  std::vector<float> key_pairs;                   // lanes [width / E, D]
  std::vector<T> queries, grads;                  // a block's, [block + 1, D]
  std::vector<float> query_pairs, grad_pairs;     // lanes [block / E, D]
  std::vector<float> scores, grad_scores;         // P and dP, fp32 [block, width]
  std::vector<T> weights_row, scores_row;         // P and dS in T, [block + 1, width]
  std::vector<float> weight_pairs, score_pairs;   // their lanes [block / E, width]
  std::vector<float> grad_queries;                // fp32 [block, D]
  std::vector<float> grad_keys, grad_values;      // fp32 [width, D], summed over blocks and heads

  // Copies rows of a block; an odd last one is followed by zeros.
  void gather(const T* from, int64_t stride, int64_t count, int64_t head, std::vector<T>& to,
              std::vector<float>& to_pairs) {
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(static_cast<void*>(to.data() + r * head), from + r * stride,
                  size(head) * sizeof(T));
    }
    std::memset(static_cast<void*>(to.data() + count * head), 0, size(head) * sizeof(T));
    pair_rows(to.data(), head, round_up(count, kElements), head, to_pairs.data(), head);
  }

 private:
  static size_t size(int64_t n) { return static_cast<size_t>(n); }
};

// P and dS of a block from scores and dP, as rows and as pairs of rows.
template <typename T>
void block_slopes(const WindowHead<T>& of, const WindowBlock& block, const float* log_sums,
                  WindowBackward<T>& s) {
  const int64_t width = of.width, start = block.start, end = block.end;
  const float scale = 1.0f / std::sqrt(static_cast<float>(of.head));
  for (int64_t r = 0; r < block.count; ++r) {
    float* weights = s.scores.data() + r * width;
    const float* grads = s.grad_scores.data() + r * width;
    Floats along{};
    for (int64_t c = start; c < end; c += kLanes) {
      const Floats w = exponential(load(weights + c) - log_sums[r]);
      store(weights + c, w);
      store(s.weights_row.data() + r * width + c, w);
      along += w * load(grads + c);
    }
    const float level = sum_lanes(along);
    for (int64_t c = start; c < end; c += kLanes) {
      store(s.scores_row.data() + r * width + c,
            load(weights + c) * (load(grads + c) - level) * scale);
    }
  }
  const int64_t paired = round_up(block.count, kLaneElements<T>);
  for (auto* rows : {&s.weights_row, &s.scores_row}) {
    std::memset(static_cast<void*>(rows->data() + block.count * width), 0,
                static_cast<size_t>(width) * sizeof(T));
  }
  pair_rows(s.weights_row.data() + start, width, paired, end - start, s.weight_pairs.data() + start,
            width);
  pair_rows(s.scores_row.data() + start, width, paired, end - start, s.score_pairs.data() + start,
            width);
}

template <typename T>
void backward_head(const WindowShape& shape, const WindowInputs<T>& in, const float* log_sums,
                   const T* grad_out, int64_t lane, int64_t key_head, T* grad_queries,
                   T* grad_fresh, T* grad_ring) {
  constexpr int64_t kElements = kLaneElements<T>;
  const WindowHead<T> of(shape, in, lane, key_head);
  WindowBackward<T> s(of);
  const int64_t head = of.head, width = of.width, group = shape.heads / shape.key_heads;
  const int64_t out_row = shape.heads * head;
  for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) {
    for (int64_t t = 0; t < shape.tokens; t += kWindowBlock) {
      const WindowBlock block(of, t);
      const int64_t start = block.start, columns = block.end - block.start;
      const int64_t at = (lane * shape.tokens + t) * out_row + h * head;
      s.gather(in.queries + lane * in.query_lane + t * in.query_row + h * head, in.query_row,
               block.count, head, s.queries, s.query_pairs);
      s.gather(grad_out + at, out_row, block.count, head, s.grads, s.grad_pairs);
      window_scores(of, block, s.queries.data(), head, s.keys_across, s.scores.data());
      small_product<T>(block.count, columns / kLanes, head / kElements,
                       {reinterpret_cast<const float*>(s.grads.data()), head / kElements, 1},
                       {s.values_across.data() + start, width, 1}, s.grad_scores.data() + start,
                       width);
      block_slopes(of, block, log_sums + (lane * shape.heads + h) * shape.tokens + t, s);
      small_product<T>(block.count, head / kLanes, columns / kElements,
                       {reinterpret_cast<const float*>(s.scores_row.data()) + start / kElements,
                        width / kElements, 1},
                       {s.key_pairs.data() + start / kElements * head, head, 1},
                       s.grad_queries.data(), head);
      for (int64_t r = 0; r < block.count; ++r) {
        for (int64_t d = 0; d < head; d += kLanes) {
          store(grad_queries + at + r * out_row + d, load(s.grad_queries.data() + r * head + d));
        }
      }
      const int64_t steps = round_up(block.count, kElements) / kElements;
      small_product<T>(columns, head / kLanes, steps, {s.weight_pairs.data() + start, 1, width},
                       {s.grad_pairs.data(), head, 1}, s.grad_values.data() + start * head, head,
                       /*accumulate=*/true);
      small_product<T>(columns, head / kLanes, steps, {s.score_pairs.data() + start, 1, width},
                       {s.query_pairs.data(), head, 1}, s.grad_keys.data() + start * head, head,
                       /*accumulate=*/true);
    }
  }
  const int64_t place = key_head * head, across = shape.key_heads * head;
  const auto save = [&](int64_t c, T* row) {
    for (int64_t d = 0; d < head; d += kLanes) {
      const int64_t from = (c - of.base) * head + d;
      store(row + place + d, c < of.base ? Floats{} : load(s.grad_keys.data() + from));
      store(row + across + place + d, c < of.base ? Floats{} : load(s.grad_values.data() + from));
    }
  };
  for (int64_t c = 0; grad_ring && c < shape.ring; ++c) {
    save(c,
         grad_ring + (lane * shape.ring + (in.start[lane] + c) % shape.ring) * shape.key_width());
  }
  for (int64_t t = 0; t < shape.tokens; ++t) {
    save(shape.ring + t, grad_fresh + (lane * shape.tokens + t) * shape.key_width());
  }
}

}  // namespace

template <typename T>
void window_forward(const WindowShape& shape, const WindowInputs<T>& in, T* out, float* log_sums) {
  parallel_for(
      shape.batch * shape.key_heads, grain_of(work_of(shape)), [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
          forward_head(shape, in, item / shape.key_heads, item % shape.key_heads, out, log_sums);
        }
      });
}

template <typename T>
void window_backward(const WindowShape& shape, const WindowInputs<T>& in, const float* log_sums,
                     const T* grad_out, T* grad_queries, T* grad_fresh, T* grad_ring) {
  parallel_for(shape.batch * shape.key_heads, grain_of(3 * work_of(shape)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   backward_head(shape, in, log_sums, grad_out, item / shape.key_heads,
                                 item % shape.key_heads, grad_queries, grad_fresh, grad_ring);
                 }
               });
}

template void window_forward(const WindowShape&, const WindowInputs<float>&, float*, float*);
template void window_forward(const WindowShape&, const WindowInputs<bf16>&, bf16*, float*);
template void window_backward(const WindowShape&, const WindowInputs<float>&, const float*,
                              const float*, float*, float*, float*);
template void window_backward(const WindowShape&, const WindowInputs<bf16>&, const float*,
                              const bf16*, bf16*, bf16*, bf16*);

}  // namespace rmkv::kernels::cpu
