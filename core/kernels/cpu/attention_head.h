// What attention_forward and attention_backward share: one head's rows gathered into the cache.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/cpu/attention.h"
#include "core/kernels/cpu/small_product.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

inline int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Multiply-adds of one head's scores and sums, roughly.
inline int64_t head_work(const AttentionShape& shape) {
  const int64_t rows = shape.memory + shape.tokens;
  return 2 * rows * (rows + shape.bridge) * shape.head_channels;
}

// Query rows are worked on in blocks: four tiles high, so that a block's scores stay in the
// first-level cache.
inline constexpr int64_t kBlockRows = 4 * kTileRows;

// Rows first .. first + count - 1 of the gathered queries and the columns they see: row r sees low
// .. high - 1, and `step` more with each further row (1 for tokens, 0 for memory rows).
struct RowBlock {
  int64_t first, count;
  int64_t low, high, step;
  int64_t start() const { return low / kLanes * kLanes; }
  int64_t end() const { return round_up(high + step * (count - 1), kLanes); }
};

// Places of rows and columns.  Memory rows are padded to whole vectors so that pairs of rows never
// straddle the border between memory and tokens.
struct HeadLayout {
  explicit HeadLayout(const AttentionShape& shape)
      : channels(shape.heads * shape.head_channels),
        head(shape.head_channels),
        memory_rows(round_up(shape.memory, kLanes)),
        rows(memory_rows + round_up(shape.tokens, kLanes)),
        columns(shape.bridge + shape.memory + shape.tokens),
        padded_columns(round_up(columns, kLanes)),
        scale(1.0f / std::sqrt(static_cast<float>(shape.head_channels))) {
    for (int64_t r = 0; r < shape.memory; r += kBlockRows) {
      blocks.push_back({r, std::min(kBlockRows, shape.memory - r), shape.bridge, columns, 0});
    }
    for (int64_t t = 0; t < shape.tokens; t += kBlockRows) {
      blocks.push_back({memory_rows + t, std::min(kBlockRows, shape.tokens - t), 0,
                        shape.bridge + shape.memory + t + 1, 1});
    }
  }

  int64_t channels, head;
  int64_t memory_rows, rows;        // gathered query rows: memory, padding, tokens, padding
  int64_t columns, padded_columns;  // keys: bridge, memory, tokens, padding
  float scale;
  std::vector<RowBlock> blocks;
};

// One row of a head, turned by its angle (cosines null: copied).  `direction` is 1, or -1 to turn
// back.
template <typename From, typename To>
inline void turn_row(const From* from, To* to, int64_t head, const float* cosines,
                     const float* sines, float direction) {
  if (cosines == nullptr) {
    for (int64_t d = 0; d < head; d += kLanes) {
      store(to + d, load(from + d));
    }
    return;
  }
  const int64_t half = head / 2;
  for (int64_t d = 0; d < half; d += kLanes) {
    const int64_t count = std::min(kLanes, half - d);
    const Floats a = load_some(from + d, count), b = load_some(from + half + d, count);
    const Floats c = load_some(cosines + d, count), s = load_some(sines + d, count) * direction;
    store_some(to + d, a * c - b * s, count);
    store_some(to + half + d, b * c + a * s, count);
  }
}

// The rows of one head of one lane.
template <typename T>
struct GatheredHead {
  explicit GatheredHead(const HeadLayout& layout)
      : queries(static_cast<size_t>(layout.rows * layout.head)),
        keys(static_cast<size_t>(layout.padded_columns * layout.head)),
        values(static_cast<size_t>(layout.padded_columns * layout.head)),
        hidden(static_cast<size_t>(layout.padded_columns)) {}

  std::vector<T> queries;     // [rows, D], rotated
  std::vector<T> keys;        // [padded columns, D], rotated
  std::vector<T> values;      // [padded columns, D]
  std::vector<float> hidden;  // [padded columns]: -infinity for keys that nobody sees, else 0
  bool any_hidden = false;

  // Padding rows stay zero from construction.
  void gather(const AttentionShape& shape, const HeadLayout& layout, const AttentionInputs<T>& in,
              int64_t lane, int64_t head_index) {
    const int64_t head = layout.head, channels = layout.channels, half = head / 2;
    const auto angles = [&](const float* table, int64_t position) {
      return table == nullptr ? nullptr : table + (position + shape.bridge) * half;
    };
    const auto row = [&](const AttentionRows<const T>& rows, int64_t n) {
      return rows.data + lane * rows.lane + n * rows.row + head_index * head;
    };
    const auto copy = [&](const T* from, T* to) {
      std::memcpy(static_cast<void*>(to), from, head * sizeof(T));
    };
    for (int64_t n = 0; n < shape.bridge; ++n) {
      const T* from = row(in.bridge, n);
      turn_row(from, keys.data() + n * head, head, angles(in.cosines, n - shape.bridge),
               angles(in.sines, n - shape.bridge), 1.0f);
      copy(from + channels, values.data() + n * head);
    }
    for (int64_t n = 0; n < shape.memory; ++n) {
      const T* from = row(in.memory, n);
      const int64_t column = shape.bridge + n;
      copy(from, queries.data() + n * head);
      copy(from + channels, keys.data() + column * head);
      copy(from + 2 * channels, values.data() + column * head);
    }
    for (int64_t n = 0; n < shape.tokens; ++n) {
      const T* from = row(in.tokens, n);
      const int64_t column = shape.bridge + shape.memory + n;
      const float *c = angles(in.cosines, n), *s = angles(in.sines, n);
      turn_row(from, queries.data() + (layout.memory_rows + n) * head, head, c, s, 1.0f);
      turn_row(from + channels, keys.data() + column * head, head, c, s, 1.0f);
      copy(from + 2 * channels, values.data() + column * head);
    }
    any_hidden = false;
    if (in.visible != nullptr) {
      const bool* flags = in.visible + lane * (shape.bridge + shape.tokens);
      for (int64_t n = 0; n < shape.bridge + shape.tokens; ++n) {
        const int64_t column = n < shape.bridge ? n : n + shape.memory;
        hidden[column] = flags[n] ? 0.0f : -std::numeric_limits<float>::infinity();
        any_hidden = any_hidden || !flags[n];
      }
    }
  }
};

// Scores of a block's rows, fp32 [count, padded columns] in `scores`, valid over the block's
// columns; what a row does not see is -infinity.  keys_across: lanes of the keys' transpose [D / E,
// padded columns].
template <typename T>
inline void block_scores(const HeadLayout& layout, const GatheredHead<T>& gathered,
                         const float* keys_across, const RowBlock& block, float* scores) {
  constexpr int64_t kElements = kLaneElements<T>;
  const int64_t width = layout.padded_columns, start = block.start(), end = block.end();
  const auto* queries =
      reinterpret_cast<const float*>(gathered.queries.data() + block.first * layout.head);
  small_product<T>(block.count, (end - start) / kLanes, layout.head / kElements,
                   {queries, layout.head / kElements, 1}, {keys_across + start, width, 1},
                   scores + start, width);
  const Floats nothing = broadcast(-std::numeric_limits<float>::infinity());
  const Ints lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int64_t r = 0; r < block.count; ++r) {
    float* row = scores + r * width;
    const auto low = static_cast<int32_t>(block.low),
               high = static_cast<int32_t>(block.high + r * block.step);
    for (int64_t c = start; c < end; c += kLanes) {
      Floats s = load(row + c) * layout.scale;
      if (gathered.any_hidden) {
        s += load(gathered.hidden.data() + c);
      }
      const Ints column = lane + static_cast<int32_t>(c);
      store(row + c, ((column >= low) & (column < high)) ? s : nothing);
    }
  }
}

// Turns a row of scores into e^(score - largest) in T, zeros where -infinity; -> (largest, sum).
template <typename T>
inline std::pair<float, float> exponential_row(const float* scores, T* weights, int64_t start,
                                               int64_t end) {
  Floats largest = load(scores + start);
  for (int64_t c = start + kLanes; c < end; c += kLanes) {
    largest = maximum(largest, load(scores + c));
  }
  const float top = max_lanes(largest);
  const float base = std::isinf(top) ? 0.0f : top;
  Floats total{};
  for (int64_t c = start; c < end; c += kLanes) {
    const Floats w = exponential(load(scores + c) - base);
    total += w;
    store(weights + c, w);
  }
  return {base, sum_lanes(total)};
}

}  // namespace rmkv::kernels::cpu
