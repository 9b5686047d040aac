// The list of schemes, the pieces they share, and the schemes that only rename.
#include "core/checkpoint/rwkv_names.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool begins_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

bool has(const StoredWeights& stored, const std::string& name) {
  return stored.weights.count(name) > 0;
}

// What stands before "emb.weight": training programs put "model." or "module." there.
std::string official_prefix(const WeightMap& weights) {
  const std::string mark = "emb.weight";
  for (const auto& entry : weights) {
    if (!ends_with(entry.first, mark)) continue;
    const std::string prefix = entry.first.substr(0, entry.first.size() - mark.size());
    if (weights.count(prefix + "blocks.0.ln1.weight")) return prefix;
  }
  return "?";
}

bool is_official(const StoredWeights& stored) {
  return official_prefix(stored.weights) != "?";
}

void translate_official(StoredWeights& stored, RwkvHints&, const std::string&) {
  const std::string prefix = official_prefix(stored.weights);
  if (prefix.empty()) return;
  WeightMap inside;
  for (const auto& [name, weight] : stored.weights) {
    if (begins_with(name, prefix)) inside[name.substr(prefix.size())] = weight;
  }
  stored.weights = std::move(inside);
}

// web-rwkv's .st: the .pth's names, but "maa" is "mix", "faaaa" is "first", and the low-rank maps
// are transposed: [rank, D] first.
bool is_web_rwkv(const StoredWeights& stored) {
  if (!has(stored, "emb.weight")) return false;
  if (has(stored, "blocks.0.att.time_mix_x")) return true;
  if (has(stored, "blocks.0.att.gate.weight") && has(stored, "blocks.0.att.time_first"))
    return true;
  const auto low_rank = stored.weights.find("blocks.0.att.w1");
  const auto embedding = stored.weights.find("emb.weight");
  return stored.format == "safetensors" && low_rank != stored.weights.end() &&
         low_rank->second.shape.size() == 2 && embedding->second.shape.size() == 2 &&
         low_rank->second.shape[0] != embedding->second.shape[1] &&
         low_rank->second.shape[1] == embedding->second.shape[1];
}

void translate_web_rwkv(StoredWeights& stored, RwkvHints&, const std::string&) {
  const bool sixth = has(stored, "blocks.0.att.time_mix_x");
  WeightMap result;
  for (auto& [name, weight] : stored.weights) {
    std::string official = name;
    const auto replace = [&](const std::string& from, const std::string& to) {
      const size_t place = official.find(from);
      if (place != std::string::npos) official.replace(place, from.size(), to);
    };
    if (sixth) replace(".time_mix_", ".time_maa_");
    replace(".time_first", ".time_faaaa");
    result[official] = std::move(weight);
  }
  transpose_low_rank(result);
  stored.weights = std::move(result);
}

// transformers' RwkvForCausalLM (version 4) and the remote-code models of versions 5 and 6.
bool is_hugging_face(const StoredWeights& stored) {
  return has(stored, "rwkv.embeddings.weight") && has(stored, "rwkv.blocks.0.ln1.weight");
}

void translate_hugging_face(StoredWeights& stored, RwkvHints&, const std::string& file) {
  std::vector<NamePair> inside = {{"pre_ln.", "ln0."},
                                  {"ln1.", "ln1."},
                                  {"ln2.", "ln2."},
                                  {"attention.time_mix_key", "att.time_mix_k"},
                                  {"attention.time_mix_value", "att.time_mix_v"},
                                  {"attention.time_mix_receptance", "att.time_mix_r"},
                                  {"attention.time_mix_gate", "att.time_mix_g"},
                                  {"feed_forward.time_mix_key", "ffn.time_mix_k"},
                                  {"feed_forward.time_mix_receptance", "ffn.time_mix_r"},
                                  {"attention.", "att."},
                                  {"feed_forward.", "ffn."}};
  stored.weights = renamed(
      stored.weights, "rwkv.blocks.",
      {{"rwkv.embeddings.weight", "emb.weight"}, {"rwkv.ln_out.", "ln_out."}, {"head.", "head."}},
      inside, file);
}

// The digit-reversal model of RWKV-LM (rwkv-family.md, section 4.4): no ln0, biases at the head and
// behind each time mix, where a ROSA branch with an empty table adds no more than its bias.
bool is_reversal(const StoredWeights& stored) {
  return has(stored, "e.weight") && has(stored, "ln1a.weight") && has(stored, "rwkv1.x_r");
}

void translate_reversal(StoredWeights& stored, RwkvHints&, const std::string& file) {
  WeightMap result;
  for (auto& [name, weight] : stored.weights) {
    if (name == "e.weight") {
      result["emb.weight"] = weight;
      continue;
    }
    if (begins_with(name, "lno.") || begins_with(name, "o.")) {
      result[(name[0] == 'l' ? "ln_out" : "head") + name.substr(name.find('.'))] = weight;
      continue;
    }
    const size_t digit = name.find_first_of("0123456789"), dot = name.find('.');
    if (digit == std::string::npos || dot == std::string::npos || digit > dot ||
        name[digit] < '1' || dot > digit + 2) {
      fail(file, "an unknown tensor '" + name + "'", "those of RWKV-LM's digit-reversal model");
    }
    const std::string kind = name.substr(0, digit), rest = name.substr(dot + 1);
    const std::string at = "blocks." + std::to_string(name[digit] - '1') + ".";
    const char which = dot == digit + 2 ? name[digit + 1] : ' ';
    if (kind == "rwkv") {
      result[at + "att." + rest] = weight;
    } else if (kind == "ffn") {
      result[at + "ffn." + rest] = weight;
    } else if (kind == "ln" && (which == 'a' || which == 'b')) {
      result[at + (which == 'a' ? "ln1." : "ln2.") + rest] = weight;
    } else if (kind == "rosa" && rest == "o.bias") {
      result[at + "att.output.bias"] = weight;
    } else if (kind == "rosa" && rest == "rosa_qkv.emb" &&
               weight.to_float().count_nonzero().item<int64_t>() != 0) {
      fail(file, "a ROSA branch with a trained table", "a model without one (its table zero)");
    }
  }
  stored.weights = std::move(result);
}

}  // namespace

const std::vector<RwkvNaming>& rwkv_namings() {
  static const std::vector<RwkvNaming> list = {
      {"rwkv.cpp", is_rwkv_cpp, translate_rwkv_cpp},
      {"llama.cpp", is_llama_cpp, translate_llama_cpp},
      {"huggingface", is_hugging_face, translate_hugging_face},
      {"fla", is_fla, translate_fla},
      {"rwkv-lm reversal", is_reversal, translate_reversal},
      {"web-rwkv", is_web_rwkv, translate_web_rwkv},
      {"rwkv", is_official, translate_official},
  };
  return list;
}

WeightMap renamed(const WeightMap& weights, const std::string& layer_prefix,
                  const std::vector<NamePair>& outside, const std::vector<NamePair>& inside,
                  const std::string& file) {
  const auto look_up = [](const std::vector<NamePair>& pairs, const std::string& name) {
    for (const NamePair& pair : pairs) {
      if (name == pair.theirs) return pair.official;
      const bool is_prefix = pair.theirs.back() == '.';
      if (is_prefix && begins_with(name, pair.theirs)) {
        return pair.official + name.substr(pair.theirs.size());
      }
    }
    return std::string();
  };
  WeightMap result;
  for (const auto& [name, weight] : weights) {
    std::string official = look_up(outside, name);
    if (official.empty() && begins_with(name, layer_prefix)) {
      const size_t dot = name.find('.', layer_prefix.size());
      if (dot != std::string::npos) {
        const std::string within = look_up(inside, name.substr(dot + 1));
        const std::string layer = name.substr(layer_prefix.size(), dot - layer_prefix.size());
        if (!within.empty()) official = "blocks." + layer + "." + within;
      }
    }
    if (official.empty()) {
      fail(file, "an unknown tensor '" + name + "'",
           "names like '" + layer_prefix + "0." + inside.front().theirs + "...'");
    }
    if (!result.emplace(official, weight).second) {
      fail(file, "two tensors for '" + official + "'", "one");
    }
  }
  return result;
}

void change_each(WeightMap& weights, const std::vector<std::string>& ends,
                 WeightTensor (*change)(const WeightTensor&)) {
  for (auto& [name, weight] : weights) {
    for (const std::string& end : ends) {
      if (ends_with(name, end)) weight = change(weight);
    }
  }
}

void transpose_low_rank(WeightMap& weights) {
  change_each(weights,
              {".att.w1", ".att.w2", ".att.a1", ".att.a2", ".att.v1", ".att.v2", ".att.g1",
               ".att.g2", ".time_maa_w1", ".time_maa_w2", ".time_decay_w1", ".time_decay_w2"},
              transposed);
}

void split_rows(WeightMap& weights, const std::string& fused, const std::string& stem,
                const std::vector<std::string>& parts, const std::string& file) {
  WeightMap result;
  for (auto& [name, weight] : weights) {
    if (!ends_with(name, fused)) {
      result[name] = std::move(weight);
      continue;
    }
    const int64_t count = static_cast<int64_t>(parts.size());
    if (is_quantized(weight.type) || weight.count() % count != 0) {
      fail(file + ": tensor '" + name + "'", weight_text(weight),
           std::to_string(count) + " rows of floats");
    }
    const int64_t columns = weight.count() / count;
    const uint64_t row_bytes = bytes_of_row(weight.type, columns);
    const std::string at = name.substr(0, name.size() - fused.size());
    for (int64_t i = 0; i < count; ++i) {
      WeightTensor row = weight;
      row.shape = {columns};
      row.data = weight.data + static_cast<uint64_t>(i) * row_bytes;
      result[at + stem + parts[static_cast<size_t>(i)]] = std::move(row);
    }
  }
  weights = std::move(result);
}

WeightTensor mapped(const WeightTensor& weight, double (*function)(double)) {
  Tensor values = weight.to_float();
  float* place = values.mutable_data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) place[i] = static_cast<float>(function(place[i]));
  return weight_of(values);
}

}  // namespace rmkv
