// See synthetic.h.
#include "tests/rwkv/synthetic.h"

#include <algorithm>

namespace synthetic {
namespace {

using namespace rmkv;

uint32_t mixed(uint32_t x) {  // murmur3's finaliser
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x *= 0xC2B2AE35u;
  return x ^ (x >> 16);
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool one_of(const std::string& text, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

// The weight of one element from its two hash values (section 4.6's table).
double weight(const std::string& name, double k8, double k4) {
  const std::string last = name.substr(name.rfind('.') + 1);
  const std::string owner = name.substr(0, name.rfind('.'));
  const bool norm = owner.find("ln") != std::string::npos && owner.rfind("ln") + 6 >= owner.size();
  if (norm) return last == "weight" ? 1 + k4 / 32 : k8 / 1024;
  if (one_of(last, {"k_k", "k_a"})) return 1 + k4 / 16;
  if (name == "emb.weight" || one_of(last, {"time_first", "time_faaaa", "a0", "v0"})) {
    return k8 / 128;
  }
  if (ends_with(name, "ffn.value.weight")) return k8 / 1024;
  if (one_of(last, {"w2", "a2", "v2"})) return k8 / 256;
  if (one_of(last, {"time_decay", "w0"})) return k8 / 64 - 1;
  const bool share = last.rfind("time_mix_", 0) == 0 || last.rfind("x_", 0) == 0 ||
                     (last.rfind("time_maa_", 0) == 0 && last.size() == 10);
  if (share) return (k8 + 128) / 256;
  return k8 / 512;
}

Table small(const std::string& architecture, int64_t ffn, Table changes = {}) {
  Table config{{"architecture", architecture},
               {"vocabulary", 48},
               {"channels", 64},
               {"layers", 3},
               {"ffn_hidden", ffn}};
  if (architecture != "rwkv4") config["head_size"] = 32;
  for (auto& [key, value] : changes) config[key] = value;
  return config;
}

}  // namespace

std::unique_ptr<RwkvModel> make_model(const Table& config, at::ScalarType dtype) {
  auto model = std::make_unique<RwkvModel>(RwkvConfig::from_table(config), 1, dtype, at::kCPU);
  std::map<std::string, Tensor> values = model->parameters().named_values();  // sorted by bytes
  uint32_t position = 0;
  for (auto& [name, value] : values) {
    ++position;
    Tensor filled = at::empty(value.sizes(), at::kDouble);
    double* data = filled.mutable_data_ptr<double>();
    for (int64_t j = 0; j < filled.numel(); ++j) {
      const uint32_t x = mixed(static_cast<uint32_t>(j) + 0x9E3779B9u * position);
      data[j] = weight(name, static_cast<double>(x >> 24) - 128, static_cast<double>(x >> 28) - 8);
    }
    value = filled;
  }
  model->parameters().load(values);
  return model;
}

Tensor tokens() {
  return (at::arange(24, at::kLong) * 7 + 3).remainder(48).view({1, 24});
}

Tensor mean_loss(RwkvModel& model) {
  State state = model.initial_state(1);
  const Tensor logits = model.logits(model.forward(tokens(), state, {}));
  const Tensor rows = at::log_softmax(logits[0].narrow(0, 0, 23), -1);
  return -rows.gather(1, tokens()[0].narrow(0, 1, 23).unsqueeze(1)).mean();
}

const std::vector<Golden>& goldens() {
  static const std::vector<Golden> list = {
      {"v4",
       small("rwkv4", 256),
       60,
       168256,
       763.890625,
       4.9932648,
       {-0.813373, 0.249879},
       5.579240,
       7.211809,
       {1.045379, 0.227772, -0.017709, 0.575623},
       960,
       62.909992,
       {24, 10, 13, 44, 15, 43, 22, 7, 31, 15, 46, 2},
       {{"att.time_decay", 5, -0.00133775},
        {"att.time_first", 5, -0.00171349},
        {"att.time_mix_v", 7, 0.00794500},
        {"att.key.weight", 70, 0.00000984},
        {"att.output.weight", 9, 0.01173967},
        {"ffn.key.weight", 70, -0.00685031},
        {"emb.weight", 197, -0.03453982},
        {"head.weight", 645, -0.04917562},
        {"blocks.0.ln0.weight", 5, -0.03880827}}},
      {"v5.0",
       small("rwkv5", 224, {{"minor", "5.0"}}),
       66,
       155980,
       1149.052734,
       4.6821909,
       {0.823868, -1.019109},
       -12.823878,
       7.854985,
       {-0.129747, 0.418764, -2.200084, 0.881265},
       6528,
       137.938621,
       {42, 20, 1, 9, 27, 41, 41, 34, 5, 36, 1, 19},
       {{"att.time_decay", 1, -0.01795218},
        {"att.time_first", 1, 0.01841930},
        {"att.time_mix_v", 7, 0.10879786},
        {"att.key.weight", 70, 0.00400817},
        {"att.ln_x.weight", 9, -0.00601872},
        {"ffn.key.weight", 70, 0.00510145},
        {"emb.weight", 197, 0.07545318},
        {"head.weight", 645, 0.00418096},
        {"blocks.0.ln0.weight", 5, 0.24986746}}},
      {"v5.1",
       small("rwkv5", 224, {{"minor", "5.1"}}),
       72,
       168460,
       1031.007812,
       4.4372894,
       {-1.828705, -1.189624},
       -14.397669,
       7.041012,
       {-0.042438, -0.874275, -0.200645, -0.965723},
       6528,
       183.395455,
       {40, 36, 42, 32, 11, 43, 25, 15, 28, 46, 36, 46},
       {{"att.time_decay", 1, 0.02985105},
        {"att.time_faaaa", 1, -0.07811085},
        {"att.time_mix_g", 7, 0.02137937},
        {"att.gate.weight", 70, -0.01091568},
        {"att.ln_x.weight", 9, -0.00674377},
        {"ffn.key.weight", 70, 0.01298459},
        {"emb.weight", 197, 0.10094648},
        {"head.weight", 645, -0.01977955},
        {"blocks.0.ln0.weight", 5, -0.16182582}}},
      {"v5.2",
       small("rwkv5", 224),
       72,
       168832,
       812.414062,
       4.4937796,
       {-3.301469, -1.397454},
       -3.051920,
       7.800718,
       {0.984847, -0.353038, 0.634768, 0.175963},
       6528,
       169.807988,
       {7, 40, 15, 43, 46, 9, 32, 14, 6, 22, 38, 47},
       {{"att.time_decay", 37, -0.00241061},
        {"att.time_faaaa", 37, -0.00659459},
        {"att.time_mix_g", 7, 0.04355925},
        {"att.gate.weight", 70, 0.00388516},
        {"att.ln_x.weight", 9, 0.00865480},
        {"ffn.key.weight", 70, -0.00318118},
        {"emb.weight", 197, 0.00865691},
        {"head.weight", 645, 0.01636413},
        {"blocks.0.ln0.weight", 5, -0.08382267}}},
      {"v6",
       small("rwkv6", 224, {{"mix_rank", 8}, {"decay_rank", 16}}),
       90,
       190720,
       1236.565430,
       4.3159049,
       {0.390976, 0.540947},
       11.386038,
       7.418277,
       {-0.139434, -0.374543, 0.259193, 1.281430},
       6528,
       163.774003,
       {10, 37, 7, 10, 25, 47, 3, 10, 36, 31, 31, 28},
       {{"att.time_decay", 37, 0.00276683},
        {"att.time_faaaa", 37, -0.00306703},
        {"att.time_maa_x", 7, 0.02245214},
        {"att.time_maa_w1", 70, 0.01746493},
        {"att.time_maa_w2", 900, 0.00660817},
        {"att.time_decay_w1", 70, -0.00659330},
        {"att.gate.weight", 70, 0.01216104},
        {"ffn.key.weight", 70, 0.00387390},
        {"emb.weight", 197, -0.09216905},
        {"head.weight", 645, -0.04039384},
        {"blocks.0.ln0.weight", 5, -0.03756618}}},
      {"v7",
       small("rwkv7", 256,
             {{"decay_rank", 8}, {"rate_rank", 8}, {"value_rank", 8}, {"gate_rank", 16}}),
       105,
       172864,
       1457.384766,
       4.4949125,
       {1.785111, 2.106294},
       11.181129,
       8.211589,
       {2.308152, -0.071578, 0.997860, 2.339504},
       6528,
       76.121894,
       {15, 36, 9, 35, 37, 35, 33, 9, 32, 15, 36, 9},
       {{"att.w0", 37, -0.00097617},
        {"att.a0", 37, 0.00190026},
        {"att.v0", 37, -0.00061495},
        {"att.k_k", 37, 0.00005960},
        {"att.k_a", 37, -0.00492022},
        {"att.r_k", 37, 0.00223862},
        {"att.x_w", 7, 0.00059927},
        {"att.w1", 70, -0.00041790},
        {"att.w2", 70, 0.00073589},
        {"att.a1", 70, 0.00021202},
        {"att.v1", 70, -0.00242413},
        {"att.g1", 70, -0.00427473},
        {"att.key.weight", 70, 0.00498562},
        {"att.ln_x.weight", 9, -0.00440321},
        {"ffn.key.weight", 70, 0.00546175},
        {"emb.weight", 197, 0.12385625},
        {"head.weight", 645, 0.07649546},
        {"blocks.0.ln0.weight", 5, -0.10647152}}},
  };
  return list;
}

}  // namespace synthetic
