// The corrected MicroRWKV block written down token by token, as sums over the past: no state, no
// ring, no chunk.  One document, fp64.
//
// Source: rwkv-family.md, section 2, and core/models/microrwkv/README.md.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/models/microrwkv/microrwkv_model.h"
#include "core/tensor/torch.h"

namespace naive_microrwkv {

using rmkv::Tensor;
using Rows = std::vector<Tensor>;  // fp64 [C] each

class Model {
 public:
  explicit Model(const rmkv::MicroRwkvModel& model) : m_(model), c_(model.options()) {}

  // Logits of every position, fp64 [T, V].
  Tensor logits(const std::vector<int64_t>& ids) const {
    Rows x;
    for (size_t t = 0; t < ids.size(); ++t) {
      const int64_t place = static_cast<int64_t>(t) % c_.block_tokens;
      x.push_back(weight("wte")[ids[t]] + weight("wpe")[place]);
    }
    for (int64_t l = 0; l < c_.layers; ++l) {
      const std::string at = "blocks." + std::to_string(l) + ".";
      add(x, time_mix(at + "tmix.", normed(x)));
      add(x, channel_mix(at + "cmix.", normed(x)));
      add(x, attention(at + "swa.qkv", at + "swa.proj", normed(x), c_.heads, c_.window));
      add(x, attention(at + "gqa.qkvw", at + "gqa.proj", normed(x), c_.key_heads, c_.block_tokens));
      add(x, experts(at + "moe.", normed(x)));
    }
    Rows out;
    for (const Tensor& row : x) {
      const Tensor centred = row - row.mean();
      const Tensor last = centred / (centred.square().mean() + 1e-5).sqrt() * weight("ln_f");
      out.push_back(at::mv(weight("wte"), last));
    }
    return at::stack(out);
  }

  // Mean over positions and per layer: what the load-balance loss is made of.
  double balance(const std::vector<int64_t>& ids) const {
    balance_ = 0;
    logits(ids);
    return balance_;
  }

 private:
  Tensor parameter(const std::string& name) const {
    return m_.parameters().get(name).value.detach().to(at::kDouble);
  }
  Tensor weight(const std::string& name) const { return parameter(name + ".weight"); }

  static void add(Rows& x, const Rows& branch) {
    for (size_t t = 0; t < x.size(); ++t) x[t] = x[t] + branch[t];
  }
  static Rows normed(const Rows& x) {
    Rows rows;
    for (const Tensor& row : x) rows.push_back(row / (row.square().mean() + 1e-5).sqrt());
    return rows;
  }
  Rows mixed(const Rows& z, const std::string& share) const {
    const Tensor maa = parameter(share);
    Rows rows;
    for (size_t t = 0; t < z.size(); ++t) {
      const Tensor before = t > 0 ? z[t - 1] : at::zeros_like(z[0]);
      rows.push_back(z[t] * (1 - maa) + before * maa);
    }
    return rows;
  }
  Rows mapped(const Rows& rows, const std::string& name) const {
    Rows out;
    for (const Tensor& row : rows) out.push_back(at::mv(weight(name), row));
    return out;
  }

  Rows time_mix(const std::string& at, const Rows& z) const {
    const Rows r = mapped(mixed(z, at + "maa_r"), at + "receptance"),
               k = mapped(mixed(z, at + "maa_k"), at + "key"),
               v = mapped(mixed(z, at + "maa_v"), at + "value"),
               g = mapped(mixed(z, at + "maa_g"), at + "gate");
    const int64_t size = c_.head_size();
    Rows out;
    for (size_t t = 0; t < z.size(); ++t) {
      Rows heads;
      for (int64_t h = 0; h < c_.heads; ++h) {
        const auto part = [&](const Tensor& row) { return row.narrow(0, h * size, size); };
        const double w = std::exp(-std::exp(parameter(at + "decay")[h].item<double>()));
        const double u = parameter(at + "bonus")[h].item<double>();
        Tensor y = at::zeros({size}, at::kDouble);
        for (size_t s = 0; s <= t; ++s) {
          const double factor = s == t ? u : std::pow(w, static_cast<double>(t - 1 - s));
          y = y + part(v[s]) * (factor * (part(r[t]) * part(k[s])).sum());
        }
        const Tensor centred = y - y.mean();
        heads.push_back(centred / (centred.square().mean() + 64e-5).sqrt());
      }
      const Tensor normed = at::cat(heads) * weight(at + "ln_x") + parameter(at + "ln_x.bias");
      out.push_back(at::mv(weight(at + "output"), normed * g[t] * at::sigmoid(g[t])));
    }
    return out;
  }

  Rows channel_mix(const std::string& at, const Rows& z) const {
    const Rows k = mapped(mixed(z, at + "maa_k"), at + "key"),
               r = mapped(mixed(z, at + "maa_r"), at + "receptance");
    Rows out;
    for (size_t t = 0; t < z.size(); ++t) {
      const Tensor hidden = at::relu(k[t]);
      out.push_back(at::sigmoid(r[t]) * at::mv(weight(at + "value"), hidden * hidden));
    }
    return out;
  }

  Rows attention(const std::string& in, const std::string& out_name, const Rows& z,
                 int64_t key_heads, int64_t reach) const {
    const int64_t channels = c_.channels, size = c_.head_size();
    const Rows rows = mapped(z, in);
    Rows out;
    for (size_t t = 0; t < z.size(); ++t) {
      const size_t oldest =
          t + 1 > static_cast<size_t>(reach) ? t + 1 - static_cast<size_t>(reach) : 0;
      Rows heads;
      for (int64_t h = 0; h < c_.heads; ++h) {
        const int64_t group = h / (c_.heads / key_heads);
        const Tensor q = rows[t].narrow(0, h * size, size);
        Rows scores, values;
        for (size_t s = oldest; s <= t; ++s) {
          const Tensor key = rows[s].narrow(0, channels + group * size, size);
          scores.push_back((q * key).sum() / std::sqrt(static_cast<double>(size)));
          values.push_back(rows[s].narrow(0, channels + (key_heads + group) * size, size));
        }
        heads.push_back(at::mv(at::stack(values).t(), at::softmax(at::stack(scores), 0)));
      }
      Tensor mixed = at::cat(heads);
      const int64_t gate = channels + 2 * key_heads * size;
      if (rows[t].size(0) > gate) mixed = mixed * rows[t].narrow(0, gate, channels);
      out.push_back(at::mv(weight(out_name), mixed));
    }
    return out;
  }

  Rows experts(const std::string& at, const Rows& z) const {
    Rows out;
    std::vector<double> chosen(static_cast<size_t>(c_.experts)), probability(chosen.size());
    for (const Tensor& row : z) {
      const Tensor p =
          at::softmax(at::mv(weight(at + "gate"), row) + parameter(at + "gate.bias"), 0);
      std::vector<std::pair<double, int64_t>> order;
      for (int64_t e = 0; e < c_.experts; ++e) order.emplace_back(-p[e].item<double>(), e);
      std::sort(order.begin(), order.end());
      double total = 0;
      for (int64_t i = 0; i < c_.active; ++i) total -= order[static_cast<size_t>(i)].first;
      Tensor hidden = at::zeros({c_.expert_width()}, at::kDouble);
      for (int64_t i = 0; i < c_.active; ++i) {
        const auto [negative, e] = order[static_cast<size_t>(i)];
        const std::string expert = at + "experts." + std::to_string(e);
        const Tensor h = at::mv(weight(expert), row) + parameter(expert + ".bias");
        hidden = hidden + h * at::sigmoid(h) * (-negative / total);
        chosen[static_cast<size_t>(e)] += 1;
      }
      for (int64_t e = 0; e < c_.experts; ++e)
        probability[static_cast<size_t>(e)] += p[e].item<double>();
      out.push_back(at::mv(weight(at + "fc"), hidden) + parameter(at + "fc.bias"));
    }
    const double count = static_cast<double>(z.size());
    for (size_t e = 0; e < chosen.size(); ++e) {
      balance_ += static_cast<double>(c_.experts) *
                  (chosen[e] / (count * static_cast<double>(c_.active))) * (probability[e] / count);
    }
    return out;
  }

  const rmkv::MicroRwkvModel& m_;
  const rmkv::MicroRwkvConfig& c_;
  mutable double balance_ = 0;
};

}  // namespace naive_microrwkv
