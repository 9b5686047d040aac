// RMKV written from memory-model.md with loops over lanes, segments, tokens, heads and channels, in
// plain doubles.
//
// The reference the production forms are compared with.  It shares nothing with them but the names
// of parameters: no LibTorch arithmetic, no fused or rearranged products, no padding tricks.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace naive {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> data;
  double at(int64_t i, int64_t j) const { return data[static_cast<size_t>(i * columns + j)]; }
  Row row(int64_t i) const {
    return Row(data.begin() + static_cast<long>(i * columns),
               data.begin() + static_cast<long>((i + 1) * columns));
  }
};

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

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
inline double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
inline Row plus(Row a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
inline Row map(const Matrix& weight, const Row& x) {
  Row y;
  for (int64_t i = 0; i < weight.rows; ++i) y.push_back(dot(weight.row(i), x));
  return y;
}
inline Row part(const Row& x, int64_t first, int64_t count) {
  return Row(x.begin() + static_cast<long>(first), x.begin() + static_cast<long>(first + count));
}
inline Row normed(const Row& x, const Matrix& weight) {
  const double rms = std::sqrt(dot(x, x) / static_cast<double>(x.size()) + 1e-5);
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] / rms * weight.at(0, static_cast<int64_t>(i));
  return y;
}
inline Row softmax(const Row& scores) {
  double largest = -1e300, sum = 0;
  for (double s : scores) largest = std::max(largest, s);
  Row p;
  for (double s : scores) p.push_back(std::exp(s - largest));
  for (double x : p) sum += x;
  for (double& x : p) x /= sum;
  return p;
}
// One head's row turned to `position`: channel d with channel d + D/2, angle position *
// 10000^(-2d/D).
inline Row rotated(const Row& x, int64_t position) {
  const size_t half = x.size() / 2;
  Row y(x.size());
  for (size_t d = 0; d < half; ++d) {
    const double angle =
        static_cast<double>(position) *
        std::pow(10000.0, -2.0 * static_cast<double>(d) / static_cast<double>(x.size()));
    y[d] = x[d] * std::cos(angle) - x[d + half] * std::sin(angle);
    y[d + half] = x[d] * std::sin(angle) + x[d + half] * std::cos(angle);
  }
  return y;
}

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

inline Row Model::embedded(int64_t id, int64_t place) const {
  Row x = p_.at("embedding.weight").row(id);
  if (c_.positions == "learned") x = plus(x, p_.at("positions.weight").row(place));
  if (c_.positions == "sinusoidal") {
    const int64_t half = c_.channels / 2;
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(tokens_seen_ + place) *
          std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(c_.channels));
      x[static_cast<size_t>(i)] += 0.02 * std::sqrt(2.0) * std::sin(angle);
      x[static_cast<size_t>(i + half)] += 0.02 * std::sqrt(2.0) * std::cos(angle);
    }
  }
  return c_.embedding_norm ? normed(x, p_.at("embedding_norm.weight")) : x;
}

inline Row Model::projected(int64_t l, const Row& row, bool token) const {
  Row qkv = map(of(l, "attention.qkv.weight"), row);
  if (c_.recency && token) qkv = plus(qkv, of(l, "attention.qkv.bias").row(0));
  if (!c_.qk_norm) return qkv;
  Row result;
  for (int64_t h = 0; h < 2 * c_.heads; ++h) {
    const char* name = h < c_.heads ? "attention.query_norm" : "attention.key_norm";
    const Row one = normed(head(qkv, h), of(l, name));
    result.insert(result.end(), one.begin(), one.end());
  }
  result.insert(result.end(), qkv.begin() + static_cast<long>(2 * c_.channels), qkv.end());
  return result;
}

inline Rows Model::shifted(const Rows& rows, const Matrix& weights, Rows& seen) const {
  Rows result;
  for (const Row& row : rows) {
    Row sum = row;
    for (int64_t j = 0; j < weights.rows && j < static_cast<int64_t>(seen.size()); ++j) {
      const Row& before = seen[seen.size() - 1 - static_cast<size_t>(j)];
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] += weights.at(j, static_cast<int64_t>(i)) * before[i];
    }
    seen.push_back(row);
    result.push_back(sum);
  }
  return result;
}

inline Row Model::attend(const Row& query, const std::vector<Key>& keys) const {
  Row scores, mixed(query.size(), 0.0);
  for (const Key& k : keys)
    scores.push_back(dot(query, k.key) / std::sqrt(static_cast<double>(query.size())));
  const Row share = softmax(scores);
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t d = 0; d < mixed.size(); ++d) mixed[d] += share[i] * keys[i].value[d];
  }
  return mixed;
}

inline Row Model::read(const Row& query, const std::vector<Key>& keys, int64_t l, int64_t h) const {
  Row mixed = attend(query, keys);
  if (!c_.zero_read || !has_slots(l)) return mixed;
  std::vector<Key> without;
  for (const Key& k : keys) {
    if (!k.memory) without.push_back(k);
  }
  const Row blind = attend(query, without);
  const double gate = of(l, "memory.read_gate").at(0, h);
  for (size_t d = 0; d < mixed.size(); ++d) mixed[d] = blind[d] + gate * (mixed[d] - blind[d]);
  return mixed;
}

inline Rows Model::pool(int64_t l, const Rows& projected) const {
  Rows pooled;
  for (int64_t j = 0; j < c_.slots; ++j) {
    Row weights(projected.size(), 1.0 / static_cast<double>(projected.size()));
    if (c_.pooling == "query") {
      Row scores;
      for (const Row& y : projected) {
        scores.push_back(dot(of(l, "memory.pool_query").row(j), y) /
                         std::sqrt(static_cast<double>(c_.channels)));
      }
      weights = softmax(scores);
    }
    Row sum(static_cast<size_t>(c_.channels), 0.0);
    for (size_t t = 0; t < projected.size(); ++t) {
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += weights[t] * projected[t][i];
    }
    pooled.push_back(sum);
  }
  return pooled;
}

inline void Model::write_slots(int64_t l, const Rows& written, const Rows& pooled) {
  const int64_t C = c_.channels;
  for (int64_t j = 0; j < c_.slots; ++j) {
    const size_t slot = static_cast<size_t>(j), at = static_cast<size_t>(l);
    Row both = written[slot];
    both.insert(both.end(), pooled[slot].begin(), pooled[slot].end());
    const Row u = map(of(l, "memory.input.weight"), both);
    const Row x =
        plus(map(of(l, "memory.cell.input.weight"), u), of(l, "memory.cell.input.bias").row(0));
    const Row keep_bias = of(l, "memory.cell.keep_bias").row(j);
    Row& m = memory[at][slot];
    Row h(x.size(), 0.0);
    if (c_.cell != "ema") h = map(of(l, "memory.cell.hidden.weight"), m);
    if (c_.cell == "gru") h = plus(h, of(l, "memory.cell.hidden.bias").row(0));
    Row next(static_cast<size_t>(C));
    for (int64_t i = 0; i < C; ++i) {
      const size_t n = static_cast<size_t>(i), n1 = static_cast<size_t>(i + C),
                   n2 = static_cast<size_t>(i + 2 * C);
      const size_t n3 = static_cast<size_t>(i + 3 * C);
      if (c_.cell == "gru") {
        const double r = sigmoid(x[n] + h[n]), z = sigmoid(x[n1] + h[n1] + keep_bias[n]);
        next[n] = (1 - z) * std::tanh(x[n2] + r * h[n2]) + z * m[n];
      } else if (c_.cell == "lstm") {
        const double write = sigmoid(x[n] + h[n] + of(l, "memory.cell.write_bias").at(j, i));
        const double keep = sigmoid(x[n1] + h[n1] + keep_bias[n]);
        double& c = carry[at][slot][n];
        c = keep * c + write * std::tanh(x[n2] + h[n2]);
        next[n] = sigmoid(x[n3] + h[n3]) * std::tanh(c);
      } else if (c_.cell == "minimal") {
        const double z = sigmoid(x[n] + h[n] + keep_bias[n]);
        next[n] = z * m[n] + (1 - z) * std::tanh(x[n1] + h[n1]);
      } else {
        const double z = sigmoid(keep_bias[n]);
        next[n] = z * m[n] + (1 - z) * std::tanh(x[n]);
      }
    }
    m = next;
  }
}

// Tokens read the committed matrices, or the copies that are being written; they write into decayed
// copies, which are committed at the end.
inline Rows Model::store_branch(int64_t l, const Rows& normalised,
                                const std::vector<int64_t>& ids) {
  const size_t D = store_width(), K = key_width(), at = static_cast<size_t>(l);
  const int64_t width = static_cast<int64_t>(D);
  const auto head_of = [&](const Row& x, int64_t h) { return part(x, h * width, width); };
  Rows branch;
  std::vector<Rows> written = store[at];
  for (int64_t h = 0; h < c_.store_heads; ++h) {
    const double decay = sigmoid(of(l, "store.decay").at(0, h));
    for (Row& row : written[static_cast<size_t>(h)]) {
      for (double& x : row) x *= decay;
    }
  }
  const auto unit = [](Row x) {
    const double length = std::max(std::sqrt(dot(x, x)), 1e-6);
    for (double& v : x) v /= length;
    return x;
  };
  const auto address = [&](const Row& x) {
    Row r, features;
    for (double v : x) r.push_back(std::max(v, 0.0));
    for (double v : x) r.push_back(std::max(-v, 0.0));
    for (int64_t shift = 1; shift <= c_.store_features; ++shift) {
      for (size_t i = 0; i < r.size(); ++i)
        features.push_back(r[i] * r[(i + r.size() - static_cast<size_t>(shift)) % r.size()]);
    }
    return unit(c_.store_features > 0 ? features : x);
  };
  size_t place = 0;
  // Weight of the row j places back in channel i of queries, keys and values.
  const auto weight = [&](int64_t j, int64_t i) {
    if (c_.store_keys != "codes") return of(l, "store.mix").at(j, i);
    const int64_t from = i / c_.channels == 1 ? j - 1 : j;  // a key is the query before
    if (i / c_.channels == 2) return j == 0 ? 1.0 : 0.0;
    return from >= 0 && from < c_.store_convolution - 1
               ? of(l, "store.mix").at(from, i % c_.channels)
               : 0.0;
  };
  for (const Row& x : normalised) {
    const int64_t id = ids[place++];
    const Row gates = map(of(l, "store.gate.weight"), x);
    Row qkv(static_cast<size_t>(3 * c_.channels), 0.0), all;
    if (c_.store_convolution <= 1) {
      qkv = map(of(l, "store.qkv.weight"), x);
    } else {
      Row both, address;
      if (c_.store_keys == "codes") {
        address = p_.at("store codes").row(id);
        for (double& v : address) v *= of(l, "store.strength").at(0, id);
        both = address;
        const Row value = c_.store_values == "codes" ? p_.at("store codes").row(id)
                                                     : map(of(l, "store.value.weight"), x);
        both.insert(both.end(), value.begin(), value.end());
      } else {
        both = map(of(l, "store.map.weight"), x);
        address = part(both, 0, c_.channels);
      }
      recent_[at].push_back(address);
      recent_[at].back().insert(recent_[at].back().end(), both.begin(), both.end());
      const size_t last = recent_[at].size() - 1;
      for (int64_t j = 0; j < c_.store_convolution && j <= static_cast<int64_t>(last); ++j) {
        for (size_t i = 0; i < qkv.size(); ++i) {
          qkv[i] +=
              weight(j, static_cast<int64_t>(i)) * recent_[at][last - static_cast<size_t>(j)][i];
        }
      }
    }
    for (int64_t h = 0; h < c_.store_heads; ++h) {
      const Row q = address(head_of(part(qkv, 0, c_.channels), h)),
                k = address(head_of(part(qkv, c_.channels, c_.channels), h));
      const Row v = head_of(part(qkv, 2 * c_.channels, c_.channels), h);
      const double b = sigmoid(gates[static_cast<size_t>(h)] + of(l, "store.gate.bias").at(0, h));
      Rows& open = written[static_cast<size_t>(h)];
      const Rows& committed = c_.store_read == "token" ? open : store[at][static_cast<size_t>(h)];
      for (size_t e = 0; e < D; ++e) {
        double sum = 0, held = 0;
        for (size_t d = 0; d < K; ++d) {
          sum += q[d] * committed[d][e];  // before the write below
          held += k[d] * open[d][e];
        }
        all.push_back(sum);
        for (size_t d = 0; d < K; ++d) open[d][e] += b * k[d] * (v[e] - held);
      }
    }
    branch.push_back(map(of(l, "store.out.weight"), all));
  }
  store[at] = written;
  return branch;
}

inline Rows Model::feed_forward(int64_t l, const Rows& x) {
  Rows rows, result;
  for (const Row& row : x) rows.push_back(normed(row, of(l, "ffn.norm.weight")));
  if (c_.ffn_shift > 0) rows = shifted(rows, of(l, "ffn.shift"), ffn_seen_[static_cast<size_t>(l)]);
  for (const Row& row : rows) {
    Row inner = map(of(l, "ffn.in.weight"), row);
    if (c_.ffn == "swiglu") {
      const size_t half = inner.size() / 2;
      for (size_t i = 0; i < half; ++i) inner[i] *= sigmoid(inner[i]) * inner[i + half];
      inner.resize(half);
    } else {
      for (double& v : inner) v = v > 0 ? v * v : 0;
    }
    result.push_back(map(of(l, "ffn.out.weight"), inner));
  }
  return result;
}

inline Rows Model::segment(const std::vector<int64_t>& ids) {
  const int64_t T = static_cast<int64_t>(ids.size()), C = c_.channels;
  Rows x, stream;
  for (int64_t t = 0; t < T; ++t) x.push_back(embedded(ids[static_cast<size_t>(t)], t));
  for (int64_t j = 0; c_.write_stream && j < c_.slots; ++j)
    stream.push_back(p_.at("stream_start").row(j));

  for (int64_t l = 0; l < c_.layers; ++l) {
    const size_t at = static_cast<size_t>(l);
    const int64_t M = has_slots(l) ? c_.slots : 0;
    Rows memory_qkv, refreshed_qkv, token_qkv, normalised;
    for (int64_t j = 0; j < M; ++j) {
      const size_t slot = static_cast<size_t>(j);
      const Row id = of(l, "memory.slot_id").row(j);
      memory_qkv.push_back(
          projected(l, plus(normed(memory[at][slot], of(l, "norm.weight")), id), false));
      const Row row = c_.write_stream ? plus(memory[at][slot], stream[slot]) : memory[at][slot];
      refreshed_qkv.push_back(projected(l, plus(normed(row, of(l, "norm.weight")), id), false));
    }
    for (const Row& row : x) normalised.push_back(normed(row, of(l, "norm.weight")));
    const Rows mixed_in =
        c_.attention_shift > 0 ? shifted(normalised, of(l, "shift"), seen_[at]) : normalised;
    for (const Row& row : mixed_in) token_qkv.push_back(projected(l, row, true));
    const auto key = [&](const Row& qkv, int64_t h) { return head(part(qkv, C, C), h); };
    const auto value = [&](const Row& qkv, int64_t h) { return head(part(qkv, 2 * C, C), h); };

    Rows mixed(static_cast<size_t>(T)), read_rows(static_cast<size_t>(M));
    for (int64_t h = 0; h < c_.heads; ++h) {
      for (int64_t t = 0; t < T; ++t) {
        std::vector<Key> keys;
        for (const Row& qkv : memory_qkv) keys.push_back({key(qkv, h), value(qkv, h), true});
        const int64_t held = static_cast<int64_t>(bridge_[at].size());
        for (int64_t i = 0; i < held; ++i) {
          const Bridged& b = bridge_[at][static_cast<size_t>(i)];
          keys.push_back({turned(head(b.key, h), i - held), head(b.value, h), false});
        }
        for (int64_t i = 0; i <= t; ++i) {
          const Row& qkv = token_qkv[static_cast<size_t>(i)];
          keys.push_back({turned(key(qkv, h), i), value(qkv, h), false});
        }
        const Row query = turned(head(part(token_qkv[static_cast<size_t>(t)], 0, C), h), t);
        const Row result = read(query, keys, l, h);
        Row& row = mixed[static_cast<size_t>(t)];
        row.insert(row.end(), result.begin(), result.end());
      }
      for (int64_t j = 0; j < M; ++j) {
        std::vector<Key> keys;
        for (const Row& qkv : refreshed_qkv) keys.push_back({key(qkv, h), value(qkv, h), true});
        for (int64_t i = 0; i < T; ++i) {
          const Row& qkv = token_qkv[static_cast<size_t>(i)];
          keys.push_back({turned(key(qkv, h), i), value(qkv, h), false});
        }
        const Row result = attend(head(part(refreshed_qkv[static_cast<size_t>(j)], 0, C), h), keys);
        Row& row = read_rows[static_cast<size_t>(j)];
        row.insert(row.end(), result.begin(), result.end());
      }
    }
    Rows projected, written;
    for (const Row& row : mixed) projected.push_back(map(of(l, "attention.out.weight"), row));
    for (const Row& row : read_rows) written.push_back(map(of(l, "attention.out.weight"), row));
    if (M > 0) {
      for (size_t j = 0; c_.write_stream && j < written.size(); ++j) {
        stream[j] = plus(stream[j], written[j]);
        written[j] = stream[j];
      }
      write_slots(l, written, pool(l, projected));
    }
    bridge_[at].clear();
    for (int64_t t = std::max<int64_t>(0, T - c_.bridge); t < T; ++t) {
      const Row& qkv = token_qkv[static_cast<size_t>(t)];
      bridge_[at].push_back({part(qkv, C, C), part(qkv, 2 * C, C)});
    }
    for (int64_t t = 0; t < T; ++t)
      x[static_cast<size_t>(t)] =
          plus(x[static_cast<size_t>(t)], projected[static_cast<size_t>(t)]);
    if (has_store(l)) {
      const Rows branch = store_branch(l, normalised, ids);
      for (size_t t = 0; t < branch.size(); ++t) x[t] = plus(x[t], branch[t]);
    }
    if (c_.ffn != "none") {
      const Rows branch = feed_forward(l, x);
      for (size_t t = 0; t < x.size(); ++t) x[t] = plus(x[t], branch[t]);
    }
  }
  tokens_seen_ += T;
  Rows hidden;
  for (const Row& row : x) hidden.push_back(normed(row, p_.at("final_norm.weight")));
  return hidden;
}

}  // namespace naive
