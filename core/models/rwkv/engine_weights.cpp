// Checking, converting and packing; see engine_weights.h.
#include "core/models/rwkv/engine_weights.h"

#include <cmath>
#include <cstring>

#include "core/base/error.h"
#include "core/kernels/cpu/activation_rows.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using kernels::cpu::PackedMatrix;

// Whether a product that is not there is an error.
enum class Presence { kRequired, kOptional };

class Packer {
 public:
  Packer(const RwkvConfig& config, const WeightMap& weights, std::optional<WeightType> type,
         EngineWeights& result)
      : config_(config), weights_(weights), type_(type), result_(result) {}

  void check() const {
    for (const RwkvParameter& parameter : rwkv_parameters(config_)) {
      const auto place = weights_.find(parameter.name);
      if (place == weights_.end()) {
        if (parameter.optional) continue;
        fail("rwkv engine", "no '" + parameter.name + "'", shape_text(parameter.shape));
      }
      int64_t count = 1;
      for (const int64_t size : parameter.shape) count *= size;
      const bool matrix = parameter.shape.size() > 1;
      if (place->second.count() != count ||
          (matrix && place->second.columns() != parameter.shape.back())) {
        fail("rwkv engine", parameter.name + " " + weight_text(place->second),
             shape_text(parameter.shape));
      }
    }
  }

  bool has(const std::string& name) const { return weights_.count(name) > 0; }
  const WeightTensor& get(const std::string& name) const { return weights_.at(name); }

  EngineVector vector(const std::string& name) const {
    const Tensor values = get(name).to_float().reshape({-1});
    EngineVector result(static_cast<size_t>(kernels::cpu::padded_columns(values.numel()) + 32));
    std::memcpy(result.data(), values.const_data_ptr<float>(), values.nbytes());
    return result;
  }
  EngineNorm norm(const std::string& name) const {
    return {vector(name + ".weight"), vector(name + ".bias")};
  }

  // Versions 4 and 5 store the share of the current row.
  EngineVector shift(const std::string& name) const {
    EngineVector result = vector(name);
    if (config_.version <= 5) {
      for (int64_t c = 0; c < config_.channels; ++c) result[c] = 1 - result[c];
    }
    return result;
  }

  PackedMatrix matrix(const std::string& name) { return packed(get(name), type_of(get(name))); }
  PackedMatrix head(const std::string& name, std::optional<WeightType> wanted) {
    if (wanted) return packed(get(name), *wanted);
    const WeightType stored = get(name).type;
    WeightType type = type_of(get(name));
    // Logits feel an 8-bit head more than all other matrices together.
    if (type_ && is_quantized(type)) type = stored == WeightType::F32 ? WeightType::F16 : stored;
    return packed(get(name), type);
  }
  // A low-rank half stored as [inputs, outputs].
  PackedMatrix low_rank(const Tensor& values) {
    WeightType type = type_.value_or(WeightType::F32);
    if (is_quantized(type)) type = WeightType::F16;
    return packed(weight_of(values.t().contiguous()), type);
  }
  PackedMatrix low_rank(const std::string& name) {
    const WeightTensor& weight = get(name);
    const Tensor values = weight.to_float();
    if (type_) return low_rank(values);
    const WeightType type = is_quantized(weight.type) ? WeightType::F32 : weight.type;
    return packed(weight_of(values.t().contiguous()), type);
  }

 private:
  WeightType type_of(const WeightTensor& weight) const { return type_.value_or(weight.type); }

  PackedMatrix packed(const WeightTensor& weight, WeightType wanted) {
    const int64_t outputs = weight.shape[0], inputs = weight.count() / weight.shape[0];
    const WeightType type = PackedMatrix::fitting(wanted, inputs);
    PackedMatrix result(type, outputs, inputs, {weight.type, weight.data}, result_.arena);
    result_.step_bytes += result.size_bytes();
    result_.prefill_multiplications += outputs * inputs;
    return result;
  }

  const RwkvConfig& config_;
  const WeightMap& weights_;
  const std::optional<WeightType> type_;
  EngineWeights& result_;
};

EngineVector mapped(EngineVector values, int64_t count, double (*fn)(double)) {
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(fn(values[i]));
  return values;
}
double decay_of(double raw) {
  return std::exp(-std::exp(raw));
}
double log_decay_of(double raw) {
  return -std::exp(raw);
}

// [H] or [D] -> [D].
EngineVector per_channel(const EngineVector& values, int64_t count, int64_t channels) {
  EngineVector result(static_cast<size_t>(kernels::cpu::padded_columns(channels) + 32));
  for (int64_t c = 0; c < channels; ++c) result[c] = values[c * count / channels];
  return result;
}

void pack_time_mix(Packer& pack, const RwkvConfig& config, int64_t index, EngineLayer& layer) {
  const std::string at = "blocks." + std::to_string(index) + ".att.";
  const int64_t D = config.channels;
  const auto product = [&](const std::string& name, int input, int output,
                           Activation activation = Activation::kNone) {
    layer.att_products.push_back({pack.matrix(at + name), input, output, activation});
  };
  const auto low_rank = [&](const std::string& name, int input, int output, Activation activation) {
    layer.att_products.push_back({pack.low_rank(at + name), input, output, activation});
  };
  const auto shifts = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) layer.att_shifts.push_back(pack.shift(at + name));
  };
  if (config.version == 4) {
    shifts({"time_mix_r", "time_mix_k", "time_mix_v"});
    product("receptance.weight", 0, kReceptance, Activation::kSigmoid);
    product("key.weight", 1, kKey);
    product("value.weight", 2, kValue);
    layer.decay = mapped(pack.vector(at + "time_decay"), D, log_decay_of);
    layer.bonus = pack.vector(at + "time_first");
  } else if (config.version == 5) {
    shifts({"time_mix_r", "time_mix_k", "time_mix_v"});
    product("receptance.weight", 0, kReceptance);
    product("key.weight", 1, kKey);
    product("value.weight", 2, kValue);
    if (config.minor > 0) {
      shifts({"time_mix_g"});
      product("gate.weight", 3, kGate);
    }
    const int64_t count = pack.get(at + "time_decay").count();
    layer.decay = per_channel(mapped(pack.vector(at + "time_decay"), count, decay_of), count, D);
    const std::string bonus = at + (config.minor == 0 ? "time_first" : "time_faaaa");
    EngineVector values = pack.vector(bonus);
    const int64_t bonus_count = pack.get(bonus).count();
    if (config.minor == 0)
      values = mapped(std::move(values), bonus_count, [](double x) { return std::exp(x); });
    layer.bonus = per_channel(values, bonus_count, D);
  } else if (config.version == 6) {
    const int64_t rank = config.mix_rank;
    layer.mix_shift = pack.shift(at + "time_maa_x");
    layer.mix_first = {pack.low_rank(at + "time_maa_w1"), 0, kMixFirst, Activation::kTanh};
    const Tensor second = pack.get(at + "time_maa_w2").to_float().view({5, rank, D});
    for (int64_t j = 0; j < 5; ++j) layer.mix_second.push_back(pack.low_rank(second[j]));
    shifts({"time_maa_w", "time_maa_k", "time_maa_v", "time_maa_r", "time_maa_g"});
    low_rank("time_decay_w1", 0, kDecayFirst, Activation::kTanh);
    product("key.weight", 1, kKey);
    product("value.weight", 2, kValue);
    product("receptance.weight", 3, kReceptance);
    product("gate.weight", 4, kGate);
    layer.decay_second = pack.low_rank(at + "time_decay_w2");
    layer.decay = pack.vector(at + "time_decay");
    layer.bonus = pack.vector(at + "time_faaaa");
  } else {
    shifts({"x_r", "x_k", "x_v", "x_w", "x_a", "x_g"});
    product("receptance.weight", 0, kReceptance);
    product("key.weight", 1, kKey);
    product("value.weight", 2, kValue);
    low_rank("w1", 3, kDecayFirst, Activation::kTanh);
    low_rank("a1", 4, kRateFirst, Activation::kNone);
    low_rank("g1", 5, kGateFirst, Activation::kSigmoid);
    layer.decay = pack.vector(at + "w0");
    layer.decay_second = pack.low_rank(at + "w2");
    layer.rate_base = pack.vector(at + "a0");
    layer.rate_second = pack.low_rank(at + "a2");
    layer.gate_second = pack.low_rank(at + "g2");
    if (index > 0) {
      low_rank("v1", 2, kValueFirst, Activation::kNone);
      layer.value_base = pack.vector(at + "v0");
      layer.value_second = pack.low_rank(at + "v2");
    }
    layer.removal_scale = pack.vector(at + "k_k");
    layer.rate_scale = pack.vector(at + "k_a");
    layer.bonus = pack.vector(at + "r_k");
  }
  if (config.version > 4) layer.head_norm = pack.norm(at + "ln_x");
  layer.output = pack.matrix(at + "output.weight");
  if (config.output_bias) layer.output_bias = pack.vector(at + "output.bias");
}

void pack_channel_mix(Packer& pack, const RwkvConfig& config, int64_t index, EngineLayer& layer) {
  const std::string at = "blocks." + std::to_string(index) + ".ffn.";
  const char* names[][2] = {{"time_mix_k", "time_mix_r"}, {"time_maa_k", "time_maa_r"}};
  if (config.version == 7) {
    layer.ffn_shifts.push_back(pack.shift(at + "x_k"));
  } else {
    for (const char* name : names[config.version == 6]) {
      layer.ffn_shifts.push_back(pack.shift(at + name));
    }
  }
  layer.ffn_products.push_back(
      {pack.matrix(at + "key.weight"), 0, kHidden, Activation::kSquaredRelu});
  if (config.version < 7) {
    layer.ffn_products.push_back(
        {pack.matrix(at + "receptance.weight"), 1, kFfnReceptance, Activation::kSigmoid});
  }
  layer.ffn_value = pack.matrix(at + "value.weight");
}

}  // namespace

std::unique_ptr<EngineWeights> pack_rwkv_weights(const RwkvConfig& config, const WeightMap& weights,
                                                 std::optional<WeightType> type,
                                                 std::optional<WeightType> head) {
  auto result = std::make_unique<EngineWeights>();
  Packer pack(config, weights, type, *result);
  pack.check();
  result->embedding = pack.get("emb.weight");
  if (config.input_norm) result->input_norm = pack.norm("blocks.0.ln0");
  result->output_norm = pack.norm("ln_out");
  result->head_source = pack.get("head.weight");
  for (int64_t i = 0; i < config.layers; ++i) {
    EngineLayer& layer = result->layers.emplace_back();
    const std::string at = "blocks." + std::to_string(i) + ".";
    layer.att_norm = pack.norm(at + "ln1");
    layer.ffn_norm = pack.norm(at + "ln2");
    pack_time_mix(pack, config, i, layer);
    pack_channel_mix(pack, config, i, layer);
    if (config.tuned_state) {
      result->tuned_states.push_back(pack.get(at + "att.time_state").to_float().contiguous());
    }
  }
  const int64_t multiplications = result->prefill_multiplications;
  result->head = pack.head("head.weight", head);
  result->prefill_multiplications = multiplications;
  if (config.head_bias) result->head_bias = pack.vector("head.bias");
  return result;
}

}  // namespace rmkv
