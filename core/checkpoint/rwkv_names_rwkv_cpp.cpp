// rwkv.cpp stores what its graphs want to read: exponentials taken, low-rank maps transposed, the
// six shift vectors of version 7 in one tensor.
#include <cmath>

#include "core/base/error.h"
#include "core/checkpoint/rwkv_names.h"

namespace rmkv {

namespace {

// rwkv.cpp's version-5 graphs use this group norm epsilon whatever the model was trained with.
constexpr double kVersion5Epsilon = 1e-5;
// Raw decays whose double exponential is 0 and 1 in fp32: stand-ins for what rounding has taken.
constexpr double kLargestRaw = 5, kSmallestRaw = -20;

// Version 4 stores -exp(raw).
double raw_of_rate(double rate) {
  return rate == 0 ? kSmallestRaw : std::log(-rate);
}
// Version 5 stores exp(-exp(raw)).
double raw_of_decay(double decay) {
  if (decay <= 0) return kLargestRaw;
  if (decay >= 1) return kSmallestRaw;
  return std::log(-std::log(decay));
}

void check_range(const WeightTensor& weight, double low, double high, const std::string& where) {
  const Tensor values = weight.to_float();
  const float* place = values.const_data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    if (!(place[i] >= low && place[i] <= high)) {
      fail(where, std::to_string(place[i]),
           "a value from " + std::to_string(low) + " to " + std::to_string(high));
    }
  }
}

}  // namespace

bool is_rwkv_cpp(const StoredWeights& stored) {
  return stored.format == "ggmf" && stored.weights.count("blocks.0.ln1.weight") > 0;
}

void translate_rwkv_cpp(StoredWeights& stored, RwkvHints& hints, const std::string& file) {
  WeightMap& weights = stored.weights;
  const bool seventh = weights.count("blocks.0.att.r_k") > 0;
  const bool sixth = weights.count("blocks.0.att.time_maa_x") > 0;
  const bool fifth = !seventh && !sixth && weights.count("blocks.0.att.ln_x.weight") > 0;
  if (seventh) {
    split_rows(weights, ".att.x_rwkvag", ".att.x_", {"r", "w", "k", "v", "a", "g"}, file);
  }
  if (seventh || sixth) {
    transpose_low_rank(weights);
    // [H, N, 1] there.
    change_each(weights, {".att.time_decay"},
                [](const WeightTensor& weight) { return reshaped(weight, {weight.count()}); });
    return;
  }
  if (fifth) hints.group_norm_epsilon = kVersion5Epsilon;
  for (auto& [name, weight] : weights) {
    const std::string where = file + ": tensor '" + name + "'";
    const std::string end = name.substr(name.rfind('.') + 1);
    if (end == "time_decay") {
      fifth ? check_range(weight, 0, 1, where) : check_range(weight, -HUGE_VAL, 0, where);
      weight = mapped(weight, fifth ? raw_of_decay : raw_of_rate);
    } else if (end == "time_first" && fifth) {
      check_range(weight, 0, HUGE_VAL, where);
      weight = mapped(weight, [](double bonus) { return std::log(bonus); });
    }
  }
}

}  // namespace rmkv
