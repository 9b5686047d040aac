// Names of the original program; see original.h.
#include "core/models/rmkv/original.h"

#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "original checkpoint";

const Tensor& require(const std::map<std::string, Tensor>& tensors, const std::string& name) {
  const auto place = tensors.find(name);
  if (place == tensors.end())
    fail(kWhere, "no tensor '" + name + "'", "the parameters of the original program");
  return place->second;
}

// "layers.0.ln.weight" -> layer "0", rest "ln.weight"; false for other names.
bool split_layer(const std::string& name, std::string& layer, std::string& rest) {
  const std::string prefix = "layers.";
  if (name.rfind(prefix, 0) != 0) return false;
  const size_t dot = name.find('.', prefix.size());
  if (dot == std::string::npos) return false;
  layer = name.substr(prefix.size(), dot - prefix.size());
  rest = name.substr(dot + 1);
  return !layer.empty() && layer.find_first_not_of("0123456789") == std::string::npos &&
         layer.size() < 6;
}

}  // namespace

Table config_from_original(const Table& original) {
  const auto number = [&](const char* key) {
    const Value* value = find(original, key);
    if (!value || !value->is_int()) {
      fail(std::string(kWhere) + "." + key, value ? value->type_name() : "nothing", "an integer");
    }
    return value->as_int();
  };
  const Value* cell = find(original, "rnn_cell_type");
  if (!cell || !cell->is_string() ||
      (cell->as_string() != "GRU" && cell->as_string() != "minimal")) {
    fail(std::string(kWhere) + ".rnn_cell_type", cell ? cell->to_text() : "nothing",
         "\"GRU\" or \"minimal\"");
  }
  return Table{
      {"architecture", "rmkv"},
      {"commit", "published"},
      {"vocabulary", number("vocab_size")},
      {"channels", number("embed_dim")},
      {"layers", number("num_layers")},
      {"heads", number("num_heads")},
      {"slots", number("memory_tokens")},
      {"segment_tokens", number("max_seq_len")},
      {"cell", cell->as_string() == "GRU" ? "gru" : "minimal"},
  };
}

std::map<std::string, Tensor> parameters_from_original(
    const std::map<std::string, Tensor>& original) {
  static const std::map<std::string, std::string> kWhole = {
      {"token_embed.weight", "embedding.weight"},
      {"ln_final.weight", "final_norm.weight"},
      {"ln_final.bias", "final_norm.bias"},
      {"head.weight", "head.weight"},
  };
  static const std::map<std::string, std::string> kInLayer = {
      {"ln.weight", "norm.weight"},
      {"ln.bias", "norm.bias"},
      {"qkv_block.out_linear.weight", "attention.out.weight"},
      {"qkv_block.out_linear.bias", "attention.out.bias"},
      {"attn_pool.query", "memory.pool_query"},
      {"recurrent_cell.cell.weight_ih", "memory.cell.input.weight"},
      {"recurrent_cell.cell.weight_hh", "memory.cell.hidden.weight"},
      {"recurrent_cell.cell.bias_ih", "memory.cell.input.bias"},
      {"recurrent_cell.cell.bias_hh", "memory.cell.hidden.bias"},
      {"recurrent_cell.cell.linear.bias", "memory.cell.input.bias"},
  };
  std::map<std::string, Tensor> ours;
  for (const auto& [name, tensor] : original) {
    std::string layer, rest;
    if (name.rfind("rope.", 0) == 0) continue;
    if (name == "initial_memory") {
      ours["initial_memory"] = tensor.squeeze(0);
    } else if (const auto whole = kWhole.find(name); whole != kWhole.end()) {
      ours[whole->second] = tensor;
    } else if (split_layer(name, layer, rest)) {
      const std::string theirs = "layers." + layer + ".",
                        at = "layers." + std::to_string(std::stoll(layer) + 1) + ".";
      if (const auto part = kInLayer.find(rest); part != kInLayer.end()) {
        ours[at + part->second] = tensor;
      } else if (rest == "qkv_block.q_linear.weight" || rest == "qkv_block.q_linear.bias") {
        const std::string kind = rest.substr(rest.rfind('.'));
        std::vector<Tensor> parts;
        for (const char* row : {"q", "k", "v"}) {
          parts.push_back(require(original, theirs + "qkv_block." + row + "_linear" + kind));
        }
        ours[at + "attention.qkv" + kind] = at::cat(parts, 0);
      } else if (rest == "recurrent_cell.cell.linear.weight") {
        // One map of [hidden ; input].
        const auto halves = tensor.chunk(2, 1);
        ours[at + "memory.cell.hidden.weight"] = halves[0];
        ours[at + "memory.cell.input.weight"] = halves[1];
      } else if (rest.rfind("qkv_block.k_linear.", 0) != 0 &&
                 rest.rfind("qkv_block.v_linear.", 0) != 0) {
        fail(kWhere, "'" + name + "'", "a parameter of the original program");
      }
    } else {
      fail(kWhere, "'" + name + "'", "a parameter of the original program");
    }
  }
  return ours;
}

}  // namespace rmkv
