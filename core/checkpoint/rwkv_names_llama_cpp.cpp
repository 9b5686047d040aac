// GGUF files of llama.cpp, architectures rwkv6 and rwkv7.
//
// Its converter transposes low-rank maps, fuses the shift vectors, flattens r_k, may divide the
// output matrices of later layers (rescale_every_n_layers, undone here) and puts a copy of a0..a2
// where layer 0 of version 7 has no v0..v2.
#include "core/base/error.h"
#include "core/checkpoint/rwkv_names.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

constexpr double kLayerNormEpsilon = 1e-5;  // of every RWKV model; our models have no other

std::string architecture(const StoredWeights& stored) {
  const Value* name = find(stored.metadata, "general.architecture");
  return name && name->is_string() ? name->as_string() : "";
}

double number(const StoredWeights& stored, const std::string& key, double fallback) {
  const Value* value = find(stored.metadata, architecture(stored) + "." + key);
  return value && value->is_number() ? value->as_double() : fallback;
}

// Multiplies by 2^power: exact for floats that neither overflow nor were subnormal, and for the
// scales of blocks.
WeightTensor multiplied(const WeightTensor& weight, int64_t power) {
  if (power == 0) return weight;
  const Tensor values = weight.to_float() * std::ldexp(1.0, static_cast<int>(power));
  // A power of two moves the scales of the blocks and leaves their codes.
  return converted(weight_of(values), weight.type);
}

void undo_rescale(WeightMap& weights, int64_t every) {
  for (auto& [name, weight] : weights) {
    const bool divided = name.find(".att.output.weight") != std::string::npos ||
                         name.find(".ffn.value.weight") != std::string::npos;
    if (!divided) continue;
    const int64_t layer = std::atoll(name.c_str() + sizeof "blocks." - 1);
    weight = multiplied(weight, layer / every);
  }
}

}  // namespace

bool is_llama_cpp(const StoredWeights& stored) {
  const std::string name = architecture(stored);
  return stored.format == "gguf" && (name == "rwkv6" || name == "rwkv7");
}

void translate_llama_cpp(StoredWeights& stored, RwkvHints& hints, const std::string& file) {
  const bool seventh = architecture(stored) == "rwkv7";
  const double epsilon = number(stored, "attention.layer_norm_epsilon", kLayerNormEpsilon);
  if (std::abs(epsilon - kLayerNormEpsilon) > 1e-3 * kLayerNormEpsilon) {
    fail(file, "a layer norm epsilon of " + std::to_string(epsilon), "1e-5, as every RWKV model");
  }
  const double head_size = number(stored, "wkv.head_size", 0);
  if (!(head_size >= 0 && head_size <= 256)) {
    fail(file, "a head size of " + std::to_string(head_size), "1 .. 256");
  }
  hints.head_size = static_cast<int64_t>(head_size);
  const std::vector<NamePair> outside = {{"token_embd.weight", "emb.weight"},
                                         {"token_embd_norm.", "blocks.0.ln0."},
                                         {"output_norm.", "ln_out."},
                                         {"output.weight", "head.weight"}};
  std::vector<NamePair> inside = {{"attn_norm.", "ln1."},
                                  {"attn_norm_2.", "ln2."},
                                  {"time_mix_ln.", "att.ln_x."},
                                  {"time_mix_key.", "att.key."},
                                  {"time_mix_value.", "att.value."},
                                  {"time_mix_receptance.", "att.receptance."},
                                  {"time_mix_output.", "att.output."},
                                  {"channel_mix_key.", "ffn.key."},
                                  {"channel_mix_value.", "ffn.value."}};
  const auto vectors = [&](const std::vector<NamePair>& pairs) {
    for (const NamePair& pair : pairs) inside.push_back({pair.theirs + ".weight", pair.official});
  };
  if (seventh) {
    for (const char* name :
         {"w0", "w1", "w2", "a0", "a1", "a2", "v0", "v1", "v2", "g1", "g2", "k_k", "k_a", "r_k"}) {
      vectors({{std::string("time_mix_") + name, std::string("att.") + name}});
    }
    vectors({{"time_mix_lerp_fused", "att.x_rwkvag"}, {"channel_mix_lerp_k", "ffn.x_k"}});
  } else {
    inside.push_back({"time_mix_gate.", "att.gate."});
    inside.push_back({"channel_mix_receptance.", "ffn.receptance."});
    for (const char* part : {"x", "w", "k", "v", "r", "g"}) {
      vectors({{std::string("time_mix_lerp_") + part, std::string("att.time_maa_") + part}});
    }
    vectors({{"time_mix_lerp_fused", "att.time_maa_wkvrg"},
             {"time_mix_first", "att.time_faaaa"},
             {"time_mix_decay", "att.time_decay"},
             {"time_mix_decay_w1", "att.time_decay_w1"},
             {"time_mix_decay_w2", "att.time_decay_w2"},
             {"time_mix_w1", "att.time_maa_w1"},
             {"time_mix_w2", "att.time_maa_w2"},
             {"channel_mix_lerp_k", "ffn.time_maa_k"},
             {"channel_mix_lerp_r", "ffn.time_maa_r"}});
  }
  stored.weights = renamed(stored.weights, "blk.", outside, inside, file);
  if (seventh) {
    split_rows(stored.weights, ".att.x_rwkvag", ".att.x_", {"r", "w", "k", "v", "a", "g"}, file);
    // Nothing reads them, and the dummies have the rank of another map.
    for (const char* name : {"v0", "v1", "v2"}) {
      stored.weights.erase(std::string("blocks.0.att.") + name);
    }
  } else {
    split_rows(stored.weights, ".att.time_maa_wkvrg", ".att.time_maa_", {"w", "k", "v", "r", "g"},
               file);
  }
  transpose_low_rank(stored.weights);
  const double every = number(stored, "rescale_every_n_layers", 0);
  if (!(every >= 0 && every <= 1024)) {
    fail(file, "a rescale every " + std::to_string(every) + " layers", "0 .. 1024");
  }
  if (every >= 1) undo_rescale(stored.weights, static_cast<int64_t>(every));
}

}  // namespace rmkv
