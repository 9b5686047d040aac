// Memory slots and the store of a layer; see naive_rmkv.h.
#include "tests/models/naive_rmkv.h"

namespace naive {

Rows Model::pool(int64_t l, const Rows& projected) const {
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

void Model::write_slots(int64_t l, const Rows& written, const Rows& pooled) {
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
Rows Model::store_branch(int64_t l, const Rows& normalised, const std::vector<int64_t>& ids) {
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

}  // namespace naive
