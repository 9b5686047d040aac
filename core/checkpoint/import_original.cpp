// Names and layouts of the original program's weights.
#include "core/checkpoint/import_original.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/pt_file.h"
#include "core/checkpoint/stored_weights.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

using TensorMap = std::map<std::string, Tensor>;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The weights of the file: those below the prefix that ends in "token_embed.weight"
// ("model_state_dict." as that program saves its checkpoints, or none).
TensorMap model_weights(const TensorMap& tensors) {
  const std::string mark = "token_embed.weight";
  TensorMap weights;
  for (const auto& entry : tensors) {
    if (!ends_with(entry.first, mark)) continue;
    const std::string prefix = entry.first.substr(0, entry.first.size() - mark.size());
    for (const auto& [name, tensor] : tensors) {
      if (name.compare(0, prefix.size(), prefix) == 0) weights[name.substr(prefix.size())] = tensor;
    }
    break;
  }
  return weights;
}

// Hands out weights by name, checks shapes, and knows which were never asked for.
class Weights {
 public:
  Weights(TensorMap tensors, std::string name)
      : left_(std::move(tensors)), name_(std::move(name)) {}

  bool has(const std::string& name) const { return left_.count(name) > 0; }
  const Tensor& look(const std::string& name) const {
    auto found = left_.find(name);
    if (found == left_.end()) fail(name_, "no weight '" + name + "'", "the original RMKV's names");
    return found->second;
  }
  Tensor take(const std::string& name, std::vector<int64_t> shape) {
    Tensor tensor = look(name);
    if (tensor.sizes() != at::IntArrayRef(shape)) {
      fail(name_ + ": '" + name + "'", tensor_text(tensor), shape_text(shape));
    }
    left_.erase(name);
    return tensor.to(at::kFloat).contiguous();
  }
  void finish() const {
    if (!left_.empty()) {
      fail(name_, "an unknown weight '" + left_.begin()->first + "'", "the original RMKV's names");
    }
  }

 private:
  TensorMap left_;
  std::string name_;
};

struct Sizes {
  int64_t vocabulary, channels, slots, layers, segment_tokens, heads;
  bool gru;
};

// The number of heads leaves no trace in the weights.
int64_t read_heads(const std::string& path, const Table& rest, const Sizes& sizes) {
  auto heads_in = [](const Table& table) -> int64_t {
    const Value* heads = find(table, "num_heads");
    return heads && heads->is_int() ? heads->as_int() : 0;
  };
  int64_t heads = heads_in(rest);
  for (const char* key : {"config", "model_config", "args"}) {
    const Value* config = find(rest, key);
    if (heads == 0 && config && config->is_table()) heads = heads_in(config->as_table());
  }
  const std::string beside = path.substr(0, path.rfind('.')) + ".json";
  if (heads == 0 && path_exists(beside)) {
    Value config = parse_json(read_file(beside, 1 << 20), beside);
    if (config.is_table()) heads = heads_in(config.as_table());
  }
  if (heads == 0) {
    fail_because(path, "the number of attention heads is not in the file",
                 "put {\"num_heads\": N} into " + beside);
  }
  if (heads < 1 || sizes.channels % heads != 0) {
    fail(path, std::to_string(heads) + " heads",
         "a divisor of " + std::to_string(sizes.channels) + " channels");
  }
  return heads;
}

Sizes read_sizes(const Weights& weights, const std::string& path, const Table& rest) {
  Sizes sizes{};
  const Tensor& embedding = weights.look("token_embed.weight");
  const Tensor& memory = weights.look("initial_memory");
  if (embedding.dim() != 2) fail(path, tensor_text(embedding), "token_embed.weight [V, C]");
  if (memory.dim() != 3) fail(path, tensor_text(memory), "initial_memory [1, M, C]");
  sizes.vocabulary = embedding.size(0);
  sizes.channels = embedding.size(1);
  sizes.slots = memory.size(1);
  while (weights.has("layers." + std::to_string(sizes.layers) + ".ln.weight")) ++sizes.layers;
  sizes.gru = weights.has("layers.0.recurrent_cell.cell.weight_ih");
  // The table of rotations covers memory and token rows: that is how long a segment may be.
  const Tensor& rotations = weights.look("rope.cos_cached");
  if (rotations.dim() != 2 || rotations.size(0) <= sizes.slots) {
    fail(path, tensor_text(rotations), "rope.cos_cached [M + T, C / 2]");
  }
  sizes.segment_tokens = rotations.size(0) - sizes.slots;
  sizes.heads = read_heads(path, rest, sizes);
  return sizes;
}

void import_layer(Weights& weights, const Sizes& sizes, int64_t layer, TensorMap& result) {
  const int64_t C = sizes.channels, M = sizes.slots;
  const std::string from = "layers." + std::to_string(layer) + ".";
  const std::string to = "layers." + std::to_string(layer + 1) + ".";
  result[to + "norm.weight"] = weights.take(from + "ln.weight", {C});
  result[to + "norm.bias"] = weights.take(from + "ln.bias", {C});
  std::vector<Tensor> maps, biases;
  for (const char* name : {"q", "k", "v"}) {
    const std::string linear = from + "qkv_block." + name + "_linear.";
    maps.push_back(weights.take(linear + "weight", {C, C}));
    biases.push_back(weights.take(linear + "bias", {C}));
  }
  result[to + "attention.qkv.weight"] = at::cat(maps, 0);
  result[to + "attention.qkv.bias"] = at::cat(biases, 0);
  result[to + "attention.out.weight"] = weights.take(from + "qkv_block.out_linear.weight", {C, C});
  result[to + "attention.out.bias"] = weights.take(from + "qkv_block.out_linear.bias", {C});
  result[to + "memory.pool_query"] = weights.take(from + "attn_pool.query", {M, C});
  const std::string cell = from + "recurrent_cell.cell.", ours = to + "memory.cell.";
  if (sizes.gru) {
    result[ours + "input.weight"] = weights.take(cell + "weight_ih", {3 * C, C});
    result[ours + "hidden.weight"] = weights.take(cell + "weight_hh", {3 * C, C});
    result[ours + "input.bias"] = weights.take(cell + "bias_ih", {3 * C});
    result[ours + "hidden.bias"] = weights.take(cell + "bias_hh", {3 * C});
  } else {
    // One map of [hidden ; input] there, two maps here.
    Tensor both = weights.take(cell + "linear.weight", {2 * C, 2 * C});
    result[ours + "hidden.weight"] = both.narrow(1, 0, C).contiguous();
    result[ours + "input.weight"] = both.narrow(1, C, C).contiguous();
    result[ours + "input.bias"] = weights.take(cell + "linear.bias", {2 * C});
  }
}

}  // namespace

bool looks_like_original(const TensorMap& tensors) {
  const TensorMap weights = model_weights(tensors);
  return weights.count("initial_memory") > 0 &&
         weights.count("layers.0.qkv_block.q_linear.weight") > 0;
}

ImportedModel import_original(const std::string& path) {
  TensorMap tensors;
  Table rest;
  // Told apart by content: a zip, or a header length and its opening brace.
  if (detect_weight_format(MappedFile(path).bytes()) == "safetensors") {
    tensors = read_safetensors(path).tensors;
  } else {
    PtFile file = read_pt(path);
    tensors = std::move(file.tensors);
    rest = std::move(file.rest);
  }
  if (!looks_like_original(tensors)) {
    fail(path, "weights of another model",
         "those of the original RMKV program or of an RWKV model");
  }
  Weights weights(model_weights(tensors), path);
  const Sizes sizes = read_sizes(weights, path, rest);
  const int64_t C = sizes.channels, rows = sizes.slots + sizes.segment_tokens;
  ImportedModel model;
  model.config = Table{{"architecture", "rmkv"},
                       {"commit", "published"},
                       {"vocabulary", sizes.vocabulary},
                       {"channels", C},
                       {"layers", sizes.layers},
                       {"heads", sizes.heads},
                       {"slots", sizes.slots},
                       {"segment_tokens", sizes.segment_tokens},
                       {"cell", sizes.gru ? "gru" : "minimal"},
                       {"pooling", "query"}};
  model.tensors["embedding.weight"] = weights.take("token_embed.weight", {sizes.vocabulary, C});
  model.tensors["initial_memory"] = weights.take("initial_memory", {1, sizes.slots, C}).squeeze(0);
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    import_layer(weights, sizes, layer, model.tensors);
  }
  model.tensors["final_norm.weight"] = weights.take("ln_final.weight", {C});
  model.tensors["final_norm.bias"] = weights.take("ln_final.bias", {C});
  model.tensors["head.weight"] = weights.take("head.weight", {sizes.vocabulary, C});
  // Rotations are computed, not loaded.
  weights.take("rope.cos_cached", {rows, C / 2});
  weights.take("rope.sin_cached", {rows, C / 2});
  weights.finish();
  return model;
}

}  // namespace rmkv
