// See variants.h.
#include "tests/models/variants.h"

#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/tensor/torch.h"

namespace variants {

using namespace rmkv;

namespace {

// These models are so small that a second thread only waits for the first.
const bool kOneThread = [] {
  set_thread_count(1);
  return true;
}();

}  // namespace

Table small_config(Table changes) {
  Table config{{"architecture", "rmkv"},
               {"vocabulary", kVocabulary},
               {"channels", kChannels},
               {"layers", kLayers},
               {"heads", 2},
               {"slots", 3},
               {"segment_tokens", kSegment},
               {"bridge", 3}};
  for (auto& [key, value] : changes) config[key] = value;
  return config;
}

std::vector<Variant> all_variants() {
  std::vector<Variant> list;
  const auto add = [&](const std::string& name, Table changes) {
    list.push_back({name, small_config(std::move(changes))});
  };
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    for (const char* pooling : {"query", "mean"}) {
      add(std::string(cell) + " " + pooling, {{"cell", cell}, {"pooling", pooling}});
    }
  }
  for (const char* positions : {"learned", "sinusoidal", "none"})
    add(positions, {{"positions", positions}});
  add("no ffn", {{"ffn", "none"}});
  add("no bridge", {{"bridge", 0}});
  add("bridge longer than a segment", {{"bridge", 8}});
  add("store", {{"store", true}});
  add("memory in layer 2", {{"memory_layers", List{2}}, {"store", true}});
  add("write stream", {{"write_stream", true}});
  add("write stream, layer 1, lstm mean",
      {{"write_stream", true}, {"memory_layers", List{1}}, {"cell", "lstm"}, {"pooling", "mean"}});
  add("no slots", {{"slots", 0}});
  add("no slots, store", {{"slots", 0}, {"store", true}});
  add("store with convolution",
      {{"store", true}, {"store_convolution", 3}, {"store_heads", 1}, {"store_read", "token"}});
  add("store with codes", {{"store", true},
                           {"store_convolution", 3},
                           {"store_features", 2},
                           {"store_keys", "codes"},
                           {"store_read", "token"}});
  add("store with codes as values", {{"store", true},
                                     {"store_convolution", 2},
                                     {"store_keys", "codes"},
                                     {"store_values", "codes"},
                                     {"tie_head", false}});
  add("store, long convolution, one head", {{"store", true},
                                            {"store_convolution", 9},
                                            {"store_heads", 1},
                                            {"store_layers", List{1}},
                                            {"slots", 0},
                                            {"bridge", 0}});
  add("attention shift", {{"attention_shift", 1}});
  add("feed-forward shift, no bridge", {{"ffn_shift", 1}, {"bridge", 0}});
  add("shifts longer than a segment", {{"attention_shift", 8}, {"ffn_shift", 7}, {"store", true}});
  add("relu2", {{"ffn", "relu2"}});
  add("embedding norm, learned positions", {{"embedding_norm", true}, {"positions", "learned"}});
  add("qk norm", {{"qk_norm", true}});
  add("recency", {{"recency", 2.0}});
  add("shifts, norms, recency, write stream, lstm", {{"attention_shift", 3},
                                                     {"ffn_shift", 2},
                                                     {"embedding_norm", true},
                                                     {"qk_norm", true},
                                                     {"recency", 1.0},
                                                     {"ffn", "relu2"},
                                                     {"write_stream", true},
                                                     {"zero_read", true},
                                                     {"cell", "lstm"}});
  add("one slot", {{"slots", 1}});
  add("zero read", {{"zero_read", true}});
  add("untied head", {{"tie_head", false}});
  add("everything", {{"store", true},
                     {"write_stream", true},
                     {"zero_read", true},
                     {"cell", "lstm"},
                     {"tie_head", false}});
  add("ema, sinusoidal, no bridge, no ffn, store", {{"cell", "ema"},
                                                    {"positions", "sinusoidal"},
                                                    {"bridge", 0},
                                                    {"ffn", "none"},
                                                    {"store", true}});
  add("minimal, learned, write stream",
      {{"cell", "minimal"}, {"positions", "learned"}, {"write_stream", true}});
  return list;
}

std::vector<Variant> few_variants() {
  std::vector<Variant> list;
  for (Variant& variant : all_variants()) {
    for (const char* name : {"gru query", "lstm mean", "minimal query", "ema mean", "no bridge",
                             "everything", "no slots, store", "store with convolution",
                             "store with codes", "shifts, norms, recency, write stream, lstm"}) {
      if (variant.name == name) list.push_back(variant);
    }
  }
  return list;
}

void randomize(ParameterStore& parameters, uint64_t seed) {
  at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters.all()) {
    // fp32 keeps its initial values where they are not zero: wild ones magnify rounding a
    // hundredfold, and the tolerances are meant for models as they are.
    const bool wild = parameters.dtype() == at::kDouble;
    if (!wild && parameter.value.abs().max().item<double>() > 0) continue;
    RandomStream random(seed, parameter.name);
    Tensor value = at::empty(parameter.value.sizes(), at::kDouble);
    double* data = value.mutable_data_ptr<double>();
    const bool matrix = parameter.value.dim() == 2 && parameter.group == ParameterGroup::kMatrix;
    const double columns = static_cast<double>(parameter.value.size(-1));
    const double deviation = (wild ? 1.5 : 0.5) * (matrix ? 1 / std::sqrt(columns) : 1.0 / 3);
    for (int64_t i = 0; i < value.numel(); ++i) data[i] = deviation * random.normal();
    const bool norm = parameter.name.find("norm.weight") != std::string::npos;
    parameter.value.copy_(norm ? value.add(1.0) : value);
  }
  parameters.mark_changed();
}

std::unique_ptr<RmkvModel> make_model(const Table& config, uint64_t seed, at::ScalarType dtype) {
  auto model = std::make_unique<RmkvModel>(RmkvConfig::from_table(config), seed, dtype, at::kCPU);
  randomize(model->parameters(), seed);
  return model;
}

Tensor random_tokens(int64_t batch, int64_t count, uint64_t seed) {
  RandomStream random(seed, "tokens");
  Tensor tokens = at::empty({batch, count}, at::kLong);
  for (int64_t i = 0; i < tokens.numel(); ++i) {
    tokens.mutable_data_ptr<int64_t>()[i] = static_cast<int64_t>(random.below(kVocabulary));
  }
  return tokens;
}

naive::Model make_naive(const RmkvModel& model) {
  const RmkvConfig& c = model.options();
  const Table table = c.to_table();
  const auto text = [&](const char* key) { return table.at(key).as_string(); };
  naive::Settings settings{c.channels,
                           c.layers,
                           c.heads,
                           c.slots,
                           c.segment_tokens,
                           c.bridge,
                           text("cell"),
                           text("pooling"),
                           text("positions"),
                           text("ffn"),
                           c.store,
                           c.write_stream,
                           c.zero_read,
                           c.tie_head,
                           c.memory_layers,
                           c.store_head_count(),
                           c.store_convolution,
                           c.store_features,
                           text("store_keys"),
                           text("store_values"),
                           text("store_read"),
                           c.store_layers,
                           c.attention_shift,
                           c.ffn_shift,
                           c.embedding_norm,
                           c.qk_norm,
                           c.recency > 0};
  naive::Parameters parameters;
  std::map<std::string, Tensor> values;
  for (const Parameter& parameter : model.parameters().all())
    values[parameter.name] = parameter.value.detach();
  values["store codes"] = store_codes(c, at::kDouble, at::kCPU);
  for (const auto& [name, given] : values) {
    const Tensor value = given.to(at::kDouble).contiguous();
    naive::Matrix matrix;
    matrix.rows = value.dim() == 2 ? value.size(0) : 1;
    matrix.columns = value.size(-1);
    matrix.data.assign(value.const_data_ptr<double>(),
                       value.const_data_ptr<double>() + value.numel());
    parameters[name] = std::move(matrix);
  }
  return naive::Model(settings, parameters);
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (a.numel() == 0) return 0;
  return (a.detach().to(at::kDouble) - b.detach().to(at::kDouble)).abs().max().item<double>();
}

double difference(const State& a, const State& b) {
  double largest = 0;
  if (a.counters() != b.counters() || a.tensors().size() != b.tensors().size())
    return std::numeric_limits<double>::infinity();
  for (const auto& [name, tensor] : a.tensors()) {
    if (!b.has(name) || tensor.scalar_type() != b.get(name).scalar_type())
      return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference(tensor, b.get(name)));
  }
  return largest;
}

Tensor run_in_pieces(LanguageModel& model, const Tensor& tokens, State& state,
                     const std::vector<int64_t>& pieces, at::ScalarType compute) {
  at::NoGradGuard no_grad;
  ForwardOptions options;
  options.compute_dtype = compute;
  std::vector<Tensor> parts;
  size_t piece = 0;
  for (int64_t first = 0; first < tokens.size(1);) {
    const int64_t take =
        std::min(pieces[std::min(piece++, pieces.size() - 1)], tokens.size(1) - first);
    parts.push_back(model.forward(tokens.narrow(1, first, take), state, options));
    first += take;
  }
  return at::cat(parts, 1);
}

}  // namespace variants
