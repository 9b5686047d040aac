// See activation_bytes.h.
#include "core/models/rmkv/activation_bytes.h"

#include <algorithm>

namespace rmkv {
namespace {

constexpr int64_t kWide = 4;  // bytes of what stays fp32 in every dtype: residual, memory, store

struct Counter {
  const RmkvConfig& c;
  int64_t lanes, segments, narrow;  // narrow: bytes of a number in the dtype of products

  int64_t tokens() const { return lanes * segments * c.segment_tokens; }
  int64_t feed_forward_width() const { return c.ffn == FeedForward::kSwiGlu ? 2 : 1; }

  // A norm keeps the residual stream, the map behind it its rows.
  int64_t norm(int64_t shift) const {
    return tokens() * c.channels * (kWide + narrow * (shift > 0 ? 2 : 1));
  }
  int64_t attention(bool pooled) const {
    // Queries, keys and values; the mixed rows of all segments in one piece, and, where they are
    // pooled, also as they came.
    const int64_t mixed = pooled && segments > 1 ? 2 : 1;
    const int64_t log_sums = tokens() * c.heads * kWide;
    const int64_t head_norms = c.qk_norm ? tokens() * c.channels * (4 * kWide + 5 * narrow) : 0;
    return tokens() * c.channels * (3 + mixed) * narrow + log_sums + head_norms;
  }
  int64_t feed_forward() const {
    return tokens() * c.hidden() * (feed_forward_width() + 1) * narrow;
  }
  int64_t memory() const {
    const int64_t rows = lanes * segments * c.slots * c.channels;
    const int64_t maps = cell_maps(c.cell);
    // Memory, normalised rows, their projections; read and pooled rows, the two beside each other,
    // the cell's input; in the cell the maps of the memory and, where they are not fused (the
    // biases make the input's maps fp32), three gates and one's complement.
    const int64_t read = kWide + narrow * (1 + 3 + 1);
    const int64_t commit = narrow * (2 + 2 + 1);
    const int64_t cell = narrow < kWide ? (maps + 4) * kWide + narrow : 2 * maps * kWide;
    // Pooling keeps its weights, [B, M, T], in both dtypes.
    const int64_t pool = c.pooling == Pooling::kQuery
                             ? lanes * segments * c.slots * c.segment_tokens * (narrow + kWide)
                             : 0;
    return rows * (read + commit + cell) + pool;
  }
  int64_t store() const {
    const int64_t keys = c.store_head_count() * c.store_key_dim();
    const bool reads_tokens = c.store_read == StoreRead::kToken;
    // Rows of queries, keys and values; their unit rows, also in the order that products take;
    // what is written and what it adds; the branch.
    int64_t row =
        3 * c.channels * kWide + 4 * keys * kWide + 3 * c.channels * kWide + c.channels * narrow;
    if (c.store_convolution > 1) row += 6 * c.channels * kWide;
    if (c.store_features > 0) row += 2 * (4 * c.channels + 2 * keys) * kWide;
    // Overlaps of the keys of a segment, before and after the gates; with reads inside the segment
    // those of the queries.
    row += (reads_tokens ? 3 : 2) * c.store_head_count() * c.segment_tokens * kWide;
    return tokens() * row + segments * 2 * state();
  }
  int64_t state() const {  // of the store
    return lanes * c.store_head_count() * c.store_key_dim() * c.store_head_dim() * kWide;
  }
};

}  // namespace

RmkvActivations rmkv_activations(const RmkvConfig& config, int64_t lanes, int64_t segments,
                                 int64_t compute_bytes) {
  const Counter count{config, lanes, segments, compute_bytes};
  RmkvActivations result;
  const int64_t rows = count.tokens() * config.channels;
  for (int64_t l = 0; l < config.layers; ++l) {
    const bool slots = config.slots > 0 && config.has_memory(l);
    result.graph_bytes += count.norm(config.attention_shift) + count.attention(slots);
    if (config.ffn != FeedForward::kNone) {
      result.graph_bytes += count.norm(config.ffn_shift) + count.feed_forward();
    }
    if (slots) {
      result.graph_bytes += count.memory();
      result.border_bytes += lanes * config.slots * config.channels * kWide;
    }
    if (config.has_store(l)) {
      result.graph_bytes += count.store();
      result.border_bytes += count.state();
    }
    result.border_bytes += lanes * config.bridge * 2 * config.channels * compute_bytes;
  }
  result.graph_bytes += rows * (kWide + compute_bytes);  // the last norm
  // The widest moment: gradients of the feed-forward layer's inner rows, or of the projection.
  // Those that come with them are as large as what has been released by then.
  const int64_t inner =
      config.ffn == FeedForward::kNone ? 0 : count.feed_forward_width() * config.hidden();
  result.backward_bytes = count.tokens() * std::max(inner, 3 * config.channels) * compute_bytes;
  return result;
}

}  // namespace rmkv
