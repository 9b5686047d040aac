// rwkv.cpp's files: the inverse of rwkv_names_rwkv_cpp.cpp and ggmf_weights.cpp.
//
// Records stand in the order in which rwkv.cpp's converter meets them in an official file, so that
// a file of it, read and written again, is the same bytes (but for values that pass through an
// exponential).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/checkpoint/ggmf_format.h"
#include "core/checkpoint/rwkv_names.h"
#include "core/checkpoint/weight_writer.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

bool contains(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

// Within a block, of every version; what a version lacks is passed over.
const std::vector<std::string> kOrder = {"ln1.weight",
                                         "ln1.bias",
                                         "ln2.weight",
                                         "ln2.bias",
                                         "att.time_maa_x",
                                         "att.time_maa_w",
                                         "att.time_maa_k",
                                         "att.time_maa_v",
                                         "att.time_maa_r",
                                         "att.time_maa_g",
                                         "att.time_maa_w1",
                                         "att.time_maa_w2",
                                         "att.time_decay",
                                         "att.time_decay_w1",
                                         "att.time_decay_w2",
                                         "att.time_first",
                                         "att.time_faaaa",
                                         "att.time_mix_k",
                                         "att.time_mix_v",
                                         "att.time_mix_r",
                                         "att.time_mix_g",
                                         "att.x_rwkvag",
                                         "att.w1",
                                         "att.w2",
                                         "att.w0",
                                         "att.a1",
                                         "att.a2",
                                         "att.a0",
                                         "att.v1",
                                         "att.v2",
                                         "att.v0",
                                         "att.g1",
                                         "att.g2",
                                         "att.k_k",
                                         "att.k_a",
                                         "att.r_k"};
const std::vector<std::string> kOrderLate = {"ffn.time_mix_k", "ffn.time_mix_r", "ffn.time_maa_k",
                                             "ffn.time_maa_r", "ffn.x_k",        "ffn.key.weight"};

std::vector<std::string> block_order(int64_t version) {
  std::vector<std::string> order = kOrder;
  const std::vector<std::string> norm = {"att.ln_x.weight", "att.ln_x.bias"};
  const std::vector<std::string> input = {"ln0.weight", "ln0.bias"};
  const auto add = [&](const std::vector<std::string>& names) {
    order.insert(order.end(), names.begin(), names.end());
  };
  // The place of ln0 and ln_x, and the order of the matrices, changed with the model code.
  if (version >= 6) {
    order.insert(order.begin() + 4, input.begin(), input.end());
    add({"att.receptance.weight", "att.key.weight", "att.value.weight", "att.output.weight"});
    if (version == 6) add({"att.gate.weight"});
    add(norm);
    add(kOrderLate);
    add({"ffn.receptance.weight", "ffn.value.weight"});
  } else {
    if (version == 5) add(norm);
    add({"att.key.weight", "att.value.weight", "att.receptance.weight", "att.output.weight",
         "att.gate.weight"});
    add(kOrderLate);
    add({"ffn.value.weight", "ffn.receptance.weight"});
    add(input);
  }
  return order;
}

// Kept in fp32 whatever the file's type.
bool stays_full(const std::string& name) {
  for (const char* piece :
       {".time_", ".k_k", ".k_a", ".r_k", ".x_rwkvag", ".x_k", ".w0", ".a0", ".v0"}) {
    if (contains(name, piece)) return true;
  }
  return false;
}

// rwkv.cpp quantises matrices except the embedding, the head and version 7's small maps.
bool may_be_quantized(const std::string& name, const WeightTensor& weight) {
  if (weight.shape.size() != 2 || name == "emb.weight" || name == "head.weight") return false;
  if (weight.columns() % kBlockValues != 0) return false;
  return contains(name, ".weight") || contains(name, ".time_maa_w1") ||
         contains(name, ".time_decay_w");
}

WeightType written_type(const std::string& name, const WeightTensor& weight,
                        std::optional<WeightType> wish) {
  const WeightType own = weight.type == WeightType::BF16 ? WeightType::F32 : weight.type;
  if (weight.shape.size() < 2) return WeightType::F32;
  if (wish && is_quantized(*wish)) {
    if (may_be_quantized(name, weight)) return *wish;
    return stays_full(name) || is_quantized(own) ? WeightType::F32 : own;
  }
  if (is_quantized(own) && !wish) return may_be_quantized(name, weight) ? own : WeightType::F32;
  if (stays_full(name)) return WeightType::F32;
  return wish.value_or(own);
}

WeightTensor six_shifts(const WeightFile& file, const std::string& at) {
  std::vector<Tensor> rows;
  for (const char* part : {"r", "w", "k", "v", "a", "g"}) {
    rows.push_back(file.weights.at(at + "att.x_" + part).to_float());
  }
  return reshaped(weight_of(at::stack(rows)), {6, 1, file.config.channels});
}

double rate_of_raw(double raw) {
  return -std::exp(raw);
}
double decay_of_raw(double raw) {
  return std::exp(-std::exp(raw));
}
double bonus_of_raw(double raw) {
  return std::exp(raw);
}

// The tensor under `name` (rwkv.cpp's) in its layout; nothing where the model lacks it.
std::optional<WeightTensor> laid_out(const WeightFile& file, const std::string& at,
                                     const std::string& name) {
  const RwkvConfig& c = file.config;
  if (name == "att.x_rwkvag") {
    if (c.version != 7) return std::nullopt;
    return six_shifts(file, at);
  }
  auto found = file.weights.find(at + name);
  if (found == file.weights.end()) return std::nullopt;
  const WeightTensor& weight = found->second;
  const int64_t D = c.channels, H = c.version == 4 ? 0 : c.heads();
  if (name == "att.time_decay") {
    if (c.version == 4) return mapped(weight, rate_of_raw);
    if (c.version == 6) return reshaped(weight, {H, D / H, 1});
    return reshaped(mapped(weight, decay_of_raw), {H, weight.count() / H, 1});
  }
  if (name == "att.time_first" && c.version == 5) {
    return reshaped(mapped(weight, bonus_of_raw), {H, 1, 1});
  }
  if (name == "att.time_faaaa") return reshaped(weight, {H, weight.count() / H, 1});
  const std::string end = name.substr(name.find('.') + 1);
  if (c.version == 7) {
    const bool low_rank = end.size() == 2 && (end[1] == '1' || end[1] == '2');
    if (low_rank) return transposed(weight);
    if (end == "w0" || end == "a0" || end == "v0" || end == "k_k" || end == "k_a" || end == "x_k") {
      return reshaped(weight, {1, 1, D});
    }
  }
  if (end == "time_maa_w1" || end == "time_maa_w2" || end == "time_decay_w1" ||
      end == "time_decay_w2") {
    return transposed(weight);
  }
  return weight;
}

void append_number(std::string& bytes, int64_t value) {
  const auto number = static_cast<int32_t>(value);
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

int32_t type_number(WeightType type) {
  for (const GgmfType& known : kGgmfTypes) {
    if (known.type == type) return known.number;
  }
  fail("ggmf", weight_type_name(type), "fp32, fp16 or one of the quantised types");
}

class Writer {
 public:
  Writer(const std::string& path, const WeightFile& file, const WriteOptions& options)
      : file_(file), options_(options), out_(path) {
    for (const auto& entry : file.weights) total_ += entry.second.size_bytes();
  }

  void run() {
    const RwkvConfig& c = file_.config;
    std::string header;
    append_number(header, kGgmfMagic);
    append_number(header, 101);
    append_number(header, c.vocabulary);
    append_number(header, c.channels);
    append_number(header, c.layers);
    append_number(header, type_number(file_type()));
    out_.write(header);
    record("emb.weight", file_.weights.at("emb.weight"));
    const std::vector<std::string> order = block_order(c.version);
    for (int64_t layer = 0; layer < c.layers; ++layer) {
      const std::string at = "blocks." + std::to_string(layer) + ".";
      for (const std::string& name : order) {
        if (auto weight = laid_out(file_, at, name)) record(at + name, *weight);
      }
    }
    for (const char* name : {"ln_out.weight", "ln_out.bias", "head.weight"}) {
      record(name, file_.weights.at(name));
    }
    out_.commit();
  }

 private:
  // What the header calls the file's type: that of the largest kind of matrix.
  WeightType file_type() const {
    const char* probe = "blocks.0.ffn.key.weight";
    return written_type(probe, file_.weights.at(probe), options_.type);
  }

  void record(const std::string& name, const WeightTensor& weight) {
    const WeightTensor stored = converted(weight, written_type(name, weight, options_.type));
    std::string head;
    append_number(head, static_cast<int64_t>(stored.shape.size()));
    append_number(head, static_cast<int64_t>(name.size()));
    append_number(head, type_number(stored.type));
    for (size_t i = stored.shape.size(); i-- > 0;) append_number(head, stored.shape[i]);
    out_.write(head + name);
    out_.write({reinterpret_cast<const char*>(stored.data), stored.size_bytes()});
    done_ += weight.size_bytes();
    if (options_.progress) options_.progress(std::min(done_, total_), total_);
  }

  const WeightFile& file_;
  const WriteOptions& options_;
  AtomicFile out_;
  uint64_t done_ = 0, total_ = 0;
};

}  // namespace

void write_ggmf_weights(const std::string& path, const WeightFile& file,
                        const WriteOptions& options) {
  const RwkvConfig& c = file.config;
  const char* lacking = !c.input_norm   ? "a model without ln0"
                        : c.output_bias ? "a model with output biases"
                        : c.head_bias   ? "a model with a head bias"
                        : c.tuned_state ? "a tuned initial state"
                        : c.version == 5 && c.minor == 1
                            ? "version 5.1 (a gate, one decay per head)"
                            : nullptr;
  if (lacking) fail(path, lacking, "what rwkv.cpp can hold", "write safetensors instead");
  if (options.type == WeightType::BF16) {
    fail(path, "bf16", "fp32, fp16 or one of the quantised types");
  }
  Writer(path, file, options).run();
}

}  // namespace rmkv
