// See attention.h: gradients of one head.
//
// With weights P, result O = P V and dO its gradient: dV = P^T dO, dP = dO V^T, dS = P * (dP -
// sum(P * dP)) and dQ = dS K, dK = dS^T Q.  P is recomputed from the saved log-sums (Dao et al.
// 2022, section 3.1); P and dS of a head stay in the cache until dV and dK are summed over all rows
// at once.
#include "core/kernels/cpu/attention_head.h"
#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

template <typename T>
struct BackwardScratch {
  static constexpr int64_t kElements = kLaneElements<T>;

  explicit BackwardScratch(const HeadLayout& layout)
      : gathered(layout),
        grad_out(size(layout.rows * layout.head)),
        keys_across(size(layout.head / kElements * layout.padded_columns)),
        values_across(keys_across.size()),
        key_pairs(size(layout.padded_columns / kElements * layout.head)),
        query_pairs(size(layout.rows / kElements * layout.head)),
        grad_pairs(query_pairs.size()),
        weight_pairs(size(layout.rows / kElements * layout.padded_columns)),
        score_pairs(weight_pairs.size()),
        weights(size(kBlockRows * layout.padded_columns)),
        grad_weights(weights.size()),
        narrow_weights(size((kBlockRows + 1) * layout.padded_columns)),
        narrow_scores(narrow_weights.size()),
        grad_queries(size(kBlockRows * layout.head)),
        grad_keys(size(layout.padded_columns * layout.head)),
        grad_values(grad_keys.size()) {}

  GatheredHead<T> gathered;
  std::vector<T> grad_out;                        // [rows, D], as the queries lie
  std::vector<float> keys_across, values_across;  // lanes [D / E, padded columns]
  std::vector<float> key_pairs;                   // lanes [padded columns / E, D]
  std::vector<float> query_pairs, grad_pairs;     // lanes [rows / E, D]
  std::vector<float> weight_pairs, score_pairs;   // P and dS, lanes [rows / E, padded columns]
  std::vector<float> weights, grad_weights;  // one block of P and dP, fp32 [block, padded columns]
  std::vector<T> narrow_weights,
      narrow_scores;  // one block of P and dS in T; a zero row pairs with an odd last one
  std::vector<float> grad_queries;            // one block, fp32 [block, D]
  std::vector<float> grad_keys, grad_values;  // fp32 [padded columns, D]

 private:
  static size_t size(int64_t n) { return static_cast<size_t>(n); }
};

// P and dS of a block from the scores and dP: natural in narrow_*, paired over rows in *_pairs.
template <typename T>
void block_gradients(const HeadLayout& layout, const RowBlock& block, const float* log_sums,
                     BackwardScratch<T>& s) {
  const int64_t width = layout.padded_columns, start = block.start(), end = block.end();
  for (int64_t r = 0; r < block.count; ++r) {
    const float* scores = s.weights.data() + r * width;
    const float* grads = s.grad_weights.data() + r * width;
    T* p = s.narrow_weights.data() + r * width;
    T* ds = s.narrow_scores.data() + r * width;
    const float log_sum = log_sums[r];
    const float base = std::isinf(log_sum)
                           ? 0.0f
                           : log_sum;  // a row that sees nothing has scores of -infinity only
    Floats along{};
    for (int64_t c = start; c < end; c += kLanes) {
      const Floats w = exponential(load(scores + c) - base);
      store(s.weights.data() + r * width + c, w);
      store(p + c, w);
      along += w * load(grads + c);
    }
    const float level = sum_lanes(along);
    for (int64_t c = start; c < end; c += kLanes) {
      store(ds + c, load(scores + c) * (load(grads + c) - level) * layout.scale);
    }
  }
  if (block.count % 2 != 0) {
    std::memset(static_cast<void*>(s.narrow_weights.data() + block.count * width), 0,
                width * sizeof(T));
    std::memset(static_cast<void*>(s.narrow_scores.data() + block.count * width), 0,
                width * sizeof(T));
  }
  const int64_t paired = round_up(block.count, kLaneElements<T>);
  const int64_t at = block.first / kLaneElements<T> * width + start;
  pair_rows(s.narrow_weights.data() + start, width, paired, end - start, s.weight_pairs.data() + at,
            width);
  pair_rows(s.narrow_scores.data() + start, width, paired, end - start, s.score_pairs.data() + at,
            width);
}

// Adds the contribution of query rows first .. last - 1 to columns low .. high - 1 of dV and dK.
template <typename T>
void column_gradients(const HeadLayout& layout, int64_t first, int64_t last, int64_t low,
                      int64_t high, bool accumulate, BackwardScratch<T>& s) {
  constexpr int64_t kElements = kLaneElements<T>;
  const int64_t width = layout.padded_columns, head = layout.head;
  const int64_t steps = (round_up(last, kElements) - first) / kElements, at = first / kElements;
  small_product<T>(high - low, head / kLanes, steps,
                   {s.weight_pairs.data() + at * width + low, 1, width},
                   {s.grad_pairs.data() + at * head, head, 1}, s.grad_values.data() + low * head,
                   head, accumulate);
  small_product<T>(high - low, head / kLanes, steps,
                   {s.score_pairs.data() + at * width + low, 1, width},
                   {s.query_pairs.data() + at * head, head, 1}, s.grad_keys.data() + low * head,
                   head, accumulate);
}

}  // namespace

template <typename T>
void attention_backward(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                        const float* log_sums, const T* grad_memory_out, const T* grad_tokens_out,
                        T* grad_memory, T* grad_tokens, T* grad_bridge) {
  constexpr int64_t kElements = kLaneElements<T>;
  const HeadLayout layout(shape);
  const int64_t head = layout.head, channels = layout.channels, width = layout.padded_columns;
  const int64_t rows = shape.memory + shape.tokens, prefix = shape.bridge + shape.memory;
  const auto angles = [&](const float* table, int64_t position) {
    return table == nullptr ? nullptr : table + (position + shape.bridge) * head / 2;
  };
  parallel_for(
      shape.batch * shape.heads, grain_of(head_work(shape)), [&](int64_t first, int64_t last) {
        BackwardScratch<T> s(layout);
        for (int64_t item = first; item < last; ++item) {
          const int64_t lane = item / shape.heads, head_index = item % shape.heads,
                        place = head_index * head;
          s.gathered.gather(shape, layout, inputs, lane, head_index);
          for (int64_t n = 0; n < shape.memory; ++n) {
            std::memcpy(static_cast<void*>(s.grad_out.data() + n * head),
                        grad_memory_out + (lane * shape.memory + n) * channels + place,
                        head * sizeof(T));
          }
          for (int64_t n = 0; n < shape.tokens; ++n) {
            std::memcpy(static_cast<void*>(s.grad_out.data() + (layout.memory_rows + n) * head),
                        grad_tokens_out + (lane * shape.tokens + n) * channels + place,
                        head * sizeof(T));
          }
          const auto lanes = [](const std::vector<T>& v) {
            return reinterpret_cast<const float*>(v.data());
          };
          transpose_lanes(lanes(s.gathered.keys), head / kElements, width, head / kElements,
                          s.keys_across.data(), width);
          transpose_lanes(lanes(s.gathered.values), head / kElements, width, head / kElements,
                          s.values_across.data(), width);
          pair_rows(s.gathered.keys.data(), head, width, head, s.key_pairs.data(), head);
          pair_rows(s.gathered.queries.data(), head, layout.rows, head, s.query_pairs.data(), head);
          pair_rows(s.grad_out.data(), head, layout.rows, head, s.grad_pairs.data(), head);

          for (const RowBlock& block : layout.blocks) {
            const int64_t start = block.start(), end = block.end();
            const bool is_memory = block.first < shape.memory;
            const int64_t row0 =
                is_memory ? block.first : block.first - layout.memory_rows + shape.memory;
            block_scores(layout, s.gathered, s.keys_across.data(), block, s.weights.data());
            small_product<T>(
                block.count, (end - start) / kLanes, head / kElements,
                {lanes(s.grad_out) + block.first * head / kElements, head / kElements, 1},
                {s.values_across.data() + start, width, 1}, s.grad_weights.data() + start, width);
            block_gradients(layout, block, log_sums + item * rows + row0, s);
            small_product<T>(block.count, head / kLanes, (end - start) / kElements,
                             {lanes(s.narrow_scores) + start / kElements, width / kElements, 1},
                             {s.key_pairs.data() + start / kElements * head, head, 1},
                             s.grad_queries.data(), head);
            for (int64_t r = 0; r < block.count; ++r) {
              const int64_t t = row0 - shape.memory + r;
              const float* from = s.grad_queries.data() + r * head;
              if (is_memory) {
                turn_row(from,
                         grad_memory + (lane * shape.memory + row0 + r) * 3 * channels + place,
                         head, nullptr, nullptr, -1.0f);
              } else {
                turn_row(from, grad_tokens + (lane * shape.tokens + t) * 3 * channels + place, head,
                         angles(inputs.cosines, t), angles(inputs.sines, t), -1.0f);
              }
            }
          }

          // Bridge columns are seen by tokens only; memory columns by all; a token column by memory
          // rows and the token rows from its own block on.
          const int64_t token0 = layout.memory_rows, token_end = layout.memory_rows + shape.tokens;
          column_gradients(layout, token0, token_end, 0, prefix, false, s);
          for (int64_t t = 0; t < shape.tokens; t += kBlockRows) {
            column_gradients(layout, token0 + t, token_end, prefix + t,
                             prefix + std::min(t + kBlockRows, shape.tokens), false, s);
          }
          if (shape.memory > 0) {
            column_gradients(layout, 0, shape.memory, shape.bridge, layout.columns, true, s);
          }
          for (int64_t column = 0; column < layout.columns; ++column) {
            const float* dk = s.grad_keys.data() + column * head;
            const float* dv = s.grad_values.data() + column * head;
            T* target;
            const float *cosines = nullptr, *sines = nullptr;
            if (column < shape.bridge) {
              target = grad_bridge + (lane * shape.bridge + column) * 2 * channels + place;
            } else if (column < prefix) {
              target = grad_memory + (lane * shape.memory + column - shape.bridge) * 3 * channels +
                       channels + place;
            } else {
              target = grad_tokens + (lane * shape.tokens + column - prefix) * 3 * channels +
                       channels + place;
            }
            if (column < shape.bridge || column >= prefix) {
              const int64_t position =
                  column < shape.bridge ? column - shape.bridge : column - prefix;
              cosines = angles(inputs.cosines, position);
              sines = angles(inputs.sines, position);
            }
            turn_row(dk, target, head, cosines, sines, -1.0f);
            turn_row(dv, target + channels, head, nullptr, nullptr, 1.0f);
          }
        }
      });
}

template void attention_backward<float>(const AttentionShape&, const AttentionInputs<float>&,
                                        const float*, const float*, const float*, float*, float*,
                                        float*);
template void attention_backward<bf16>(const AttentionShape&, const AttentionInputs<bf16>&,
                                       const float*, const bf16*, const bf16*, bf16*, bf16*, bf16*);

}  // namespace rmkv::kernels::cpu
