// The closed options of the RMKV architecture, their defaults, named sizes and limits.
//
// Not here: parameters (rmkv_parameters.h) and anything that computes.
// Source: memory-model.md, section 1 ("Options", "Sizes") and section 2.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/value.h"
#include "core/memory/cell.h"

namespace rmkv {

enum class Pooling { kMean, kQuery };
enum class Positions { kRope, kLearned, kSinusoidal, kNone };
enum class FeedForward { kSwiGlu, kReluSquared, kNone };
// kSegment: memory is readable from the next segment on (causal).  kPublished: the original
// two-stream block, which leaks the future inside a segment (memory-model.md, section 7).
enum class Commit { kSegment, kPublished };
// What a token reads from the store.  kSegment: what earlier segments wrote.  kToken: also what
// earlier tokens of its own segment wrote.
enum class StoreRead { kSegment, kToken };
// What the store is addressed by.  kProjected: maps of the hidden rows.  kCodes: fixed random codes
// of the newest tokens, which no training step can blur (see store_codes in rmkv_parameters.h).
enum class StoreKeys { kProjected, kCodes };
// What the store hands back.  kProjected: a map of the hidden row.  kCodes: the token's code, which
// the initial head (its rows are codes too) takes for the token itself, whatever training makes of
// the embedding.
enum class StoreValues { kProjected, kCodes };

struct RmkvConfig {
  int64_t vocabulary = 0;        // V, required
  int64_t channels = 256;        // C, a multiple of heads
  int64_t layers = 6;            // L
  int64_t heads = 4;             // H
  int64_t slots = 16;            // M; 0 is a plain windowed transformer
  int64_t segment_tokens = 128;  // T
  CellKind cell = CellKind::kGru;
  Pooling pooling = Pooling::kQuery;
  Positions positions = Positions::kRope;
  FeedForward ffn = FeedForward::kSwiGlu;
  int64_t ffn_hidden = 0;  // F; 0 means 8/3 C rounded up to a multiple of 32 (relu2: 4 C)
  // Tokens before a token that are mixed into its normalised row, per channel, before attention and
  // before the feed-forward layer (token shift; short_convolution.h); 0: none.
  int64_t attention_shift = 0;
  int64_t ffn_shift = 0;
  bool embedding_norm = false;  // a norm between the embedding and the first layer
  bool qk_norm = false;  // queries and keys of every head are normalised, with learned scales
  // How much more the nearest token attracts than a far one before anything is learned: a bias of
  // tokens' queries and keys, equal in all channels, which rotary positions turn into a slope;
  // rises from head to head up to this score.  0: no bias.
  double recency = 0;
  double branch_scale =
      1;                // factor on the initial output projections of attention and feed-forward
  int64_t bridge = 32;  // k tokens of the previous segment that tokens still see
  bool store = false;   // associative delta-rule memory beside the slots
  int64_t store_heads = 0;        // matrices per layer, a divisor of C; 0 means heads
  int64_t store_convolution = 0;  // tokens that a query, key or value is made of; 0 and 1: one
  int64_t store_features = 0;     // shifts of the feature map of queries and keys; 0: none
  StoreKeys store_keys = StoreKeys::kProjected;
  StoreValues store_values = StoreValues::kProjected;
  StoreRead store_read = StoreRead::kSegment;
  std::vector<int64_t> store_layers;   // 1-based layers that own a store; empty means memory_layers
  std::vector<int64_t> memory_layers;  // 1-based layers that own a memory; empty means all
  bool write_stream = false;  // option W: refreshed memory rows run up the layers, unseen by tokens
  Commit commit = Commit::kSegment;
  bool tie_head = true;  // the head is the token embedding
  bool zero_read =
      false;  // tokens start blind to the memory: a learned read gate per head begins at 0
  double horizon = 32;  // segments; initial half-lives are log-uniform in [1, horizon]
  // Deviation of the initial embedding; 0.02 as in GPT-2.  Words of a kind (all names, all colors)
  // move together from the first step on; a large deviation keeps each of them apart, which is what
  // a store tells them by.
  double embedding_std = 0.02;
  double memory_std = 0.05;  // deviation of the learned initial memory, 0.02-0.1

  bool has_memory(int64_t layer) const;  // layer 0-based
  bool has_store(int64_t layer) const;   // layer 0-based
  int64_t head_dim() const { return channels / heads; }
  int64_t hidden() const;  // F resolved
  int64_t store_head_count() const { return store_heads > 0 ? store_heads : heads; }
  int64_t store_head_dim() const { return channels / store_head_count(); }
  int64_t store_key_dim() const {
    return store_features > 0 ? 2 * store_features * store_head_dim() : store_head_dim();
  }

  // Reads a closed table (key "architecture" is allowed and must be "rmkv"); throws on unknown
  // keys, on values out of range and on combinations that cannot be.
  static RmkvConfig from_table(const Table& table);
  // Every option, resolved; from_table(to_table()) gives the same configuration.
  Table to_table() const;
};

// A named size without vocabulary: "tiny" ~1M, "small" ~10M, "base" ~120M, "1b" 1.2B parameters,
// counted with vocabularies of 2,048, 8,192, 30,000 and 30,000.
Table rmkv_preset(const std::string& name);

}  // namespace rmkv
