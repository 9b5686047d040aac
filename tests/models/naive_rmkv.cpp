// Embedding, attention, feed-forward and the walk through one segment; see naive_rmkv.h.
#include "tests/models/naive_rmkv.h"

namespace naive {

Row Model::embedded(int64_t id, int64_t place) const {
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

Row Model::projected(int64_t l, const Row& row, bool token) const {
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

Rows Model::shifted(const Rows& rows, const Matrix& weights, Rows& seen) const {
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

Row Model::attend(const Row& query, const std::vector<Key>& keys) const {
  Row scores, mixed(query.size(), 0.0);
  for (const Key& k : keys)
    scores.push_back(dot(query, k.key) / std::sqrt(static_cast<double>(query.size())));
  const Row share = softmax(scores);
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t d = 0; d < mixed.size(); ++d) mixed[d] += share[i] * keys[i].value[d];
  }
  return mixed;
}

Row Model::read(const Row& query, const std::vector<Key>& keys, int64_t l, int64_t h) const {
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

Rows Model::feed_forward(int64_t l, const Rows& x) {
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

Rows Model::segment(const std::vector<int64_t>& ids) {
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
