// flash-linear-attention's RWKV6ForCausalLM and RWKV7ForCausalLM.
//
// Low-rank maps are Linear layers there (weights [out, in], the bias of the second holds w0, a0,
// v0); version 6 orders its five data-dependent shifts r, w, k, v, g instead of w, k, v, r, g.
#include "core/base/error.h"
#include "core/checkpoint/rwkv_names.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

constexpr double kNormEpsilon = 1e-5;  // config.norm_eps when there is no config.json

bool is_sixth(const StoredWeights& stored) {
  return stored.weights.count("model.layers.0.attn.x_proj.0.mu") > 0;
}

double config_number(const StoredWeights& stored, const char* key, double fallback) {
  const Value* config = find(stored.metadata, "config");
  const Value* value = config && config->is_table() ? find(config->as_table(), key) : nullptr;
  return value && value->is_number() ? value->as_double() : fallback;
}

// r, w, k, v, g -> w, k, v, r, g along the first dimension of five parts.
Tensor official_order(const Tensor& parts) {
  return parts.index_select(0, at::tensor({1, 2, 3, 0, 4}, at::kLong));
}

void reorder_shifts(WeightMap& weights, const std::string& file) {
  for (auto& [name, weight] : weights) {
    const bool first = name.find(".att.time_maa_w1") != std::string::npos;
    if (!first && name.find(".att.time_maa_w2") == std::string::npos) continue;
    const Tensor matrix = weight.to_tensor();
    const int64_t rows = matrix.dim() == 2 ? matrix.size(first ? 0 : 1) : 0;
    if (rows == 0 || rows % 5 != 0) {
      fail(file + ": tensor '" + name + "'", weight_text(weight), "a matrix of five parts");
    }
    // First: [5 R, D] -> [D, 5 R]; second: [D, 5 R] -> [5, R, D].
    const int64_t width = matrix.size(first ? 1 : 0), rank = rows / 5;
    const Tensor parts = (first ? matrix : matrix.t()).reshape({5, rank, width});
    const Tensor ordered = official_order(parts);
    weight =
        weight_of(first ? ordered.reshape({rows, width}).t().contiguous() : ordered.contiguous());
  }
  split_rows(weights, ".att.time_maa_rwkvg", ".att.time_maa_", {"r", "w", "k", "v", "g"}, file);
}

}  // namespace

bool is_fla(const StoredWeights& stored) {
  return stored.weights.count("model.embeddings.weight") > 0 &&
         (is_sixth(stored) || stored.weights.count("model.layers.0.attn.r_k") > 0);
}

void translate_fla(StoredWeights& stored, RwkvHints& hints, const std::string& file) {
  const std::vector<NamePair> outside = {{"model.embeddings.weight", "emb.weight"},
                                         {"model.norm.", "ln_out."},
                                         {"lm_head.weight", "head.weight"}};
  std::vector<NamePair> inside = {{"pre_norm.", "ln0."},
                                  {"attn_norm.", "ln1."},
                                  {"ffn_norm.", "ln2."},
                                  {"attn.g_norm.", "att.ln_x."},
                                  {"attn.o_proj.weight", "att.output.weight"}};
  const std::vector<NamePair> projections = {
      {"r", "receptance"}, {"k", "key"}, {"v", "value"}, {"g", "gate"}};
  if (is_sixth(stored)) {
    for (const NamePair& pair : projections) {
      inside.push_back(
          {"attn." + pair.theirs + "_proj.linear.weight", "att." + pair.official + ".weight"});
    }
    const std::vector<NamePair> more = {{"attn.x_proj.0.mu", "att.time_maa_x"},
                                        {"attn.x_proj.0.linear.weight", "att.time_maa_w1"},
                                        {"attn.x_proj.2.weight", "att.time_maa_w2"},
                                        {"attn.x_bias", "att.time_maa_rwkvg"},
                                        {"attn.w_proj.linear.lora.0.weight", "att.time_decay_w1"},
                                        {"attn.w_proj.linear.lora.2.weight", "att.time_decay_w2"},
                                        {"attn.w_proj.linear.lora.2.bias", "att.time_decay"},
                                        {"attn.bonus", "att.time_faaaa"},
                                        {"ffn.key.linear.weight", "ffn.key.weight"},
                                        {"ffn.key.mu", "ffn.time_maa_k"},
                                        {"ffn.receptance.linear.weight", "ffn.receptance.weight"},
                                        {"ffn.receptance.mu", "ffn.time_maa_r"},
                                        {"ffn.value.weight", "ffn.value.weight"}};
    inside.insert(inside.end(), more.begin(), more.end());
    stored.weights = renamed(stored.weights, "model.layers.", outside, inside, file);
    reorder_shifts(stored.weights, file);
    change_each(stored.weights, {".time_decay_w1", ".time_decay_w2"}, transposed);
    return;
  }
  for (const NamePair& pair : projections) {
    inside.push_back({"attn." + pair.theirs + "_proj.weight", "att." + pair.official + ".weight"});
  }
  for (const char* map : {"w", "a", "v", "g"}) {
    const std::string lora = std::string("attn.") + map + "_lora.lora.";
    const std::string official = std::string("att.") + map;
    inside.push_back({lora + "0.weight", official + "1"});
    inside.push_back({lora + "2.weight", official + "2"});
    inside.push_back({lora + "2.bias", official + "0"});
  }
  for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a", "r_k"}) {
    inside.push_back({std::string("attn.") + name, std::string("att.") + name});
  }
  inside.push_back({"attn.x_x", "att.x_rwkvag"});  // older files: the six in one
  inside.push_back({"ffn.", "ffn."});
  stored.weights = renamed(stored.weights, "model.layers.", outside, inside, file);
  split_rows(stored.weights, ".att.x_rwkvag", ".att.x_", {"r", "w", "k", "v", "a", "g"}, file);
  transpose_low_rank(stored.weights);
  // There the epsilon of the group norm is the head size times the other norms'.
  const auto bonus = stored.weights.find("blocks.0.att.r_k");
  const double epsilon = config_number(stored, "norm_eps", kNormEpsilon);
  hints.group_norm_epsilon = epsilon * static_cast<double>(bonus->second.columns());
}

}  // namespace rmkv
