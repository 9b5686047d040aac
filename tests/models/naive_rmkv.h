// RMKV written from memory-model.md with loops over lanes, segments, tokens, heads and channels, in
// plain doubles.
//
// The reference the production forms are compared with.  It shares nothing with them but the names
// of parameters: no LibTorch arithmetic, no fused or rearranged products, no padding tricks.
// Attention and the order of things: naive_rmkv.cpp; slots and the store: naive_memory.cpp.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/models/naive_math.h"

namespace naive {

struct Settings {
  int64_t channels, layers, heads, slots, segment, bridge;
  std::string cell, pooling, positions, ffn;
  bool store, write_stream, zero_read, tie_head;
  std::vector<int64_t> memory_layers;  // 1-based, empty: all
  int64_t store_heads, store_convolution, store_features;
  std::string store_keys, store_values, store_read;
  std::vector<int64_t> store_layers;  // 1-based, empty: memory_layers
  int64_t attention_shift, ffn_shift;
  bool embedding_norm, qk_norm, recency;
};

using Parameters = std::map<std::string, Matrix>;  // vectors are one row

struct Key {
  Row key, value;  // one head, rotated
  bool memory;
};

// One lane.
class Model {
 public:
  Model(Settings settings, Parameters parameters)
      : c_(std::move(settings)), p_(std::move(parameters)) {
    reset();
  }

  void reset() {
    const size_t layers = static_cast<size_t>(c_.layers);
    memory.assign(layers, {});
    carry.assign(layers, {});
    bridge_.assign(layers, {});
    store.assign(layers, {});
    recent_.assign(layers, {});
    seen_.assign(layers, {});
    ffn_seen_.assign(layers, {});
    tokens_seen_ = 0;
    for (int64_t l = 0; l < c_.layers; ++l) {
      const size_t i = static_cast<size_t>(l);
      for (int64_t j = 0; has_slots(l) && j < c_.slots; ++j) {
        memory[i].push_back(of(l, "memory.initial").row(j));
        if (c_.cell == "lstm") carry[i].push_back(of(l, "memory.initial_carry").row(j));
      }
      if (has_store(l)) {
        store[i].assign(static_cast<size_t>(c_.store_heads),
                        Rows(key_width(), Row(store_width(), 0.0)));
      }
    }
  }

  // The (kept) tokens of one segment -> normalised hidden rows; then commits.  At most `segment`
  // tokens.
  Rows segment(const std::vector<int64_t>& ids);

  Rows logits(const Rows& hidden) const {
    Rows result;
    for (const Row& h : hidden)
      result.push_back(map(p_.at(c_.tie_head ? "embedding.weight" : "head.weight"), h));
    return result;
  }

  std::vector<Rows> memory, carry;       // [L][M][C]
  std::vector<std::vector<Rows>> store;  // [L][H][D][D]

 private:
  struct Bridged {
    Row key, value;  // [C], before rotation
  };

  size_t width() const { return static_cast<size_t>(c_.channels / c_.heads); }
  size_t store_width() const { return static_cast<size_t>(c_.channels / c_.store_heads); }
  size_t key_width() const {
    return store_width() * static_cast<size_t>(c_.store_features > 0 ? 2 * c_.store_features : 1);
  }
  static bool listed(const std::vector<int64_t>& list, int64_t l) {
    if (list.empty()) return true;
    for (int64_t x : list) {
      if (x == l + 1) return true;
    }
    return false;
  }
  bool has_slots(int64_t l) const { return c_.slots > 0 && listed(c_.memory_layers, l); }
  bool has_store(int64_t l) const {
    return c_.store && listed(c_.store_layers.empty() ? c_.memory_layers : c_.store_layers, l);
  }
  const Matrix& of(int64_t l, const std::string& name) const {
    return p_.at("layers." + std::to_string(l + 1) + "." + name);
  }
  Row head(const Row& x, int64_t h) const {
    return part(x, h * static_cast<int64_t>(width()), static_cast<int64_t>(width()));
  }
  Row turned(const Row& x, int64_t position) const {
    return c_.positions == "rope" ? rotated(x, position) : x;
  }

  Row embedded(int64_t id, int64_t place) const;
  // Weighted values of the keys a query sees; `memory_share` scales what a zero_read gate lets
  // through.
  Row attend(const Row& query, const std::vector<Key>& keys) const;
  Row read(const Row& query, const std::vector<Key>& keys, int64_t l, int64_t h) const;
  void write_slots(int64_t l, const Rows& written, const Rows& pooled);
  Rows pool(int64_t l, const Rows& projected) const;
  Rows store_branch(int64_t l, const Rows& normalised, const std::vector<int64_t>& ids);
  Rows feed_forward(int64_t l, const Rows& x);
  // Queries, keys and values of a row; `token`: not a memory row.
  Row projected(int64_t l, const Row& row, bool token) const;
  // Rows with `count` rows before each added; `seen` holds every row since the reset.
  Rows shifted(const Rows& rows, const Matrix& weights, Rows& seen) const;

  Settings c_;
  Parameters p_;
  std::vector<std::vector<Bridged>> bridge_;
  std::vector<Rows> seen_, ffn_seen_;  // [L] every normalised row since the reset
  std::vector<Rows> recent_;           // [L] every row of the store's maps since the reset
  int64_t tokens_seen_ = 0;
};

}  // namespace naive
