// Reading and writing of sampler options.
#include "core/sample/sampler_options.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/option_reader.h"

namespace rmkv {

namespace {

constexpr int64_t kMaxWindow = 65536;

// A list of pairs {id, number}.
std::map<int32_t, double> read_bias(const Value& value, const std::string& where) {
  std::map<int32_t, double> bias;
  if (!value.is_list() && !(value.is_table() && value.as_table().empty())) {
    fail(where, value.to_text(), "a list of pairs {id, number}");
  }
  if (value.is_table()) return bias;
  for (const Value& pair : value.as_list()) {
    if (!pair.is_list() || pair.as_list().size() != 2) {
      fail(where, pair.to_text(), "a pair {id, number}");
    }
    int64_t id = pair.as_list()[0].as_int();
    if (id < 0 || id > INT32_MAX) fail(where, std::to_string(id), "a token id");
    bias[static_cast<int32_t>(id)] = pair.as_list()[1].as_double();
  }
  return bias;
}

void check_order(const std::vector<std::string>& order, const std::string& where) {
  for (size_t i = 0; i < order.size(); ++i) {
    if (std::find(kSamplerStages.begin(), kSamplerStages.end(), order[i]) == kSamplerStages.end()) {
      fail_because(where, unknown_name_text("stage", order[i], kSamplerStages));
    }
    if (std::find(order.begin(), order.begin() + static_cast<ptrdiff_t>(i), order[i]) !=
        order.begin() + static_cast<ptrdiff_t>(i)) {
      fail(where, "'" + order[i] + "' twice", "each stage at most once");
    }
  }
}

List ids_list(const std::vector<int64_t>& ids) {
  return List(ids.begin(), ids.end());
}

}  // namespace

SamplerOptions read_sampler_options(const Table& table, const std::string& where) {
  SamplerOptions options;
  OptionReader reader(table, where);
  reader.read("temperature", options.temperature, 0.0, 100.0);
  reader.read("top_k", options.top_k, 0);
  reader.read("top_p", options.top_p, 0.0, 1.0);
  reader.read("min_p", options.min_p, 0.0, 1.0);
  reader.read("typical_p", options.typical_p, 0.0, 1.0);
  reader.read("top_n_sigma", options.top_n_sigma, 0.0, 1000.0);
  reader.read("repetition_penalty", options.repetition_penalty, 0.01, 100.0);
  reader.read("presence_penalty", options.presence_penalty, -100.0, 100.0);
  reader.read("frequency_penalty", options.frequency_penalty, -100.0, 100.0);
  reader.read("penalty_window", options.penalty_window, 0, kMaxWindow);
  reader.read("dry_multiplier", options.dry_multiplier, 0.0, 100.0);
  reader.read("dry_base", options.dry_base, 1.0, 8.0);
  reader.read("dry_allowed_length", options.dry_allowed_length, 1, kMaxWindow);
  reader.read("dry_window", options.dry_window, 0, kMaxWindow);
  reader.read("xtc_probability", options.xtc_probability, 0.0, 1.0);
  reader.read("xtc_threshold", options.xtc_threshold, 0.0, 1.0);
  if (const Value* bias = reader.take("bias")) options.bias = read_bias(*bias, where + ".bias");
  reader.read("banned", options.banned);
  reader.read("allowed", options.allowed);
  reader.read("order", options.order);
  reader.read("seed", options.seed);
  reader.finish();
  check_order(options.order, where + ".order");
  return options;
}

Table sampler_table(const SamplerOptions& options) {
  List bias;
  for (const auto& [id, number] : options.bias) bias.push_back(List{int64_t{id}, number});
  return {{"temperature", options.temperature},
          {"top_k", options.top_k},
          {"top_p", options.top_p},
          {"min_p", options.min_p},
          {"typical_p", options.typical_p},
          {"top_n_sigma", options.top_n_sigma},
          {"repetition_penalty", options.repetition_penalty},
          {"presence_penalty", options.presence_penalty},
          {"frequency_penalty", options.frequency_penalty},
          {"penalty_window", options.penalty_window},
          {"dry_multiplier", options.dry_multiplier},
          {"dry_base", options.dry_base},
          {"dry_allowed_length", options.dry_allowed_length},
          {"dry_window", options.dry_window},
          {"xtc_probability", options.xtc_probability},
          {"xtc_threshold", options.xtc_threshold},
          {"bias", bias},
          {"banned", ids_list(options.banned)},
          {"allowed", ids_list(options.allowed)},
          {"order", List(options.order.begin(), options.order.end())},
          {"seed", options.seed}};
}

}  // namespace rmkv
