// Declaration, initialisation and binding of the parameters; see microrwkv_parameters.h.
#include "core/models/microrwkv/microrwkv_parameters.h"

#include <cmath>
#include <functional>

#include "core/base/random.h"
#include "core/kernels/cpu/parallel.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using Group = ParameterGroup;
using Shape = std::vector<int64_t>;
// i -> the value of element i, for parameters that follow a curve; empty: normal of `deviation`.
using Curve = std::function<double(int64_t)>;

// The published deviation of every matrix and table.
constexpr double kDeviation = 0.02;

// Calls `add` for every parameter in order.
class Walk {
 public:
  using Add = std::function<void(const std::string&, const Shape&, Group, double, const Curve&)>;

  Walk(const MicroRwkvConfig& config, Add add) : c_(config), add_(std::move(add)) {
    // Corrected: 0.02 belongs to 768 channels; SmallInit (Nguyen and Salazar 2019) says what to use
    // at any width, and every branch shrinks with the number of branches, not the time mix alone.
    const double width = static_cast<double>(c_.channels), depth = static_cast<double>(c_.layers);
    matrix_ = c_.published() ? kDeviation : std::sqrt(2.0 / (5.0 * width));
    mix_output_ = matrix_ / std::sqrt(2.0 * depth);
    branch_output_ = c_.published() ? matrix_ : mix_output_;
  }

  void run() {
    const int64_t C = c_.channels;
    add_("wte.weight", {c_.vocabulary, C}, Group::kEmbedding, kDeviation, {});
    add_("wpe.weight", {c_.block_tokens, C}, Group::kVector, kDeviation, {});
    for (int64_t l = 0; l < c_.layers; ++l) block(l);
    constant("ln_f.weight", {C}, 1);
  }

 private:
  void matrix(const std::string& name, int64_t rows, int64_t columns, double deviation) {
    add_(name, {rows, columns}, Group::kMatrix, deviation, {});
  }
  void constant(const std::string& name, const Shape& shape, double value) {
    add_(name, shape, Group::kVector, 0, [value](int64_t) { return value; });
  }

  void block(int64_t l) {
    const std::string at = "blocks." + std::to_string(l) + ".";
    const int64_t C = c_.channels;
    // Depth ratios of RWKV's curves; a single layer or head counts as the first of several.
    const double rho =
        c_.layers > 1 ? static_cast<double>(l) / static_cast<double>(c_.layers - 1) : 0.0;
    const double tau = 1.0 - static_cast<double>(l) / static_cast<double>(c_.layers);
    time_mix(at + "tmix.", rho, tau);
    const std::string cmix = at + "cmix.";
    for (const char* name : {"maa_k", "maa_r"}) shift(cmix + name, tau, 0);
    matrix(cmix + "key.weight", c_.ffn_hidden, C, matrix_);
    matrix(cmix + "value.weight", C, c_.ffn_hidden, branch_output_);
    matrix(cmix + "receptance.weight", C, C, matrix_);
    matrix(at + "swa.qkv.weight", 3 * C, C, matrix_);
    matrix(at + "swa.proj.weight", C, C, branch_output_);
    matrix(at + "gqa.qkvw.weight", 2 * C + 2 * c_.key_heads * c_.head_size(), C, matrix_);
    matrix(at + "gqa.proj.weight", C, C, branch_output_);
    experts(at + "moe.");
  }

  // The share of the previous token, 1 - ((i / C)^power + extra).
  void shift(const std::string& name, double power, double extra) {
    const double channels = static_cast<double>(c_.channels);
    add_(name, {c_.channels}, Group::kVector, 0, [=](int64_t i) {
      return 1.0 - (std::pow(static_cast<double>(i) / channels, power) + extra);
    });
  }

  void time_mix(const std::string& at, double rho, double tau) {
    const int64_t C = c_.channels;
    shift(at + "maa_k", tau, 0);
    shift(at + "maa_v", tau, 0.3 * rho);
    shift(at + "maa_r", 0.5 * tau, 0);
    shift(at + "maa_g", 0.5 * tau, 0);
    const double heads = static_cast<double>(c_.heads);
    const auto place = [heads](int64_t h) {
      return heads > 1 ? static_cast<double>(h) / (heads - 1) : 0.0;
    };
    add_(at + "decay", {c_.heads}, Group::kVector, 0,
         [=](int64_t h) { return -6.0 + 5.0 * std::pow(place(h), 0.7 + 1.3 * rho); });
    add_(at + "bonus", {c_.heads}, Group::kVector, 0,
         [=](int64_t h) { return rho * (1.0 - place(h)); });
    for (const char* name : {"receptance", "key", "value", "gate"}) {
      matrix(at + name + ".weight", C, C, matrix_);
    }
    matrix(at + "output.weight", C, C, mix_output_);
    constant(at + "ln_x.weight", {C}, 1);
    constant(at + "ln_x.bias", {C}, 0);
  }

  void experts(const std::string& at) {
    const int64_t C = c_.channels, W = c_.expert_width();
    matrix(at + "gate.weight", c_.experts, C, matrix_);
    constant(at + "gate.bias", {c_.experts}, 0);
    for (int64_t e = 0; e < c_.experts; ++e) {
      const std::string expert = at + "experts." + std::to_string(e) + ".";
      matrix(expert + "weight", W, C, matrix_);
      constant(expert + "bias", {W}, 0);
    }
    matrix(at + "fc.weight", C, W, branch_output_);
    constant(at + "fc.bias", {C}, 0);
  }

  const MicroRwkvConfig& c_;
  Add add_;
  double matrix_, mix_output_, branch_output_;
};

Tensor initial(const std::string& name, const Shape& shape, double deviation, const Curve& curve,
               uint64_t seed) {
  Tensor value = at::empty(shape, at::kDouble);
  double* data = value.mutable_data_ptr<double>();
  kernels::cpu::parallel_for(value.numel(), 1 << 15, [&](int64_t first, int64_t last) {
    RandomStream random(seed, name);
    random.seek(2 * static_cast<uint64_t>(first));  // a normal number takes two words
    for (int64_t i = first; i < last; ++i) data[i] = curve ? curve(i) : deviation * random.normal();
  });
  return value;
}

}  // namespace

void add_microrwkv_parameters(const MicroRwkvConfig& config, ParameterSeed seed,
                              ParameterStore& store) {
  std::vector<std::function<Tensor()>> values;
  Walk(config, [&](const std::string& name, const Shape& shape, Group group, double deviation,
                   const Curve& curve) {
    store.add(name, shape, group);
    if (seed) values.push_back([=] { return initial(name, shape, deviation, curve, *seed); });
  }).run();
  store.finish();
  if (seed) {
    auto make = values.begin();
    store.fill([&](Tensor& value) { value.copy_((*make++)()); });
  }
}

int64_t microrwkv_parameter_count(const MicroRwkvConfig& config) {
  int64_t count = 0;
  Walk(config, [&](const std::string&, const Shape& shape, Group, double, const Curve&) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    count += elements;
  }).run();
  return count;
}

MicroRwkvWeights bind_microrwkv(const MicroRwkvConfig& config, const ParameterStore& store) {
  const auto find = [&](const std::string& name) { return store.get(name).value; };
  MicroRwkvWeights w;
  w.embedding = find("wte.weight");
  w.positions = find("wpe.weight");
  w.norm = find("ln_f.weight");
  for (int64_t l = 0; l < config.layers; ++l) {
    const std::string at = "blocks." + std::to_string(l) + ".";
    const std::string tmix = at + "tmix.", cmix = at + "cmix.", moe = at + "moe.";
    MicroRwkvLayer layer;
    layer.tmix = {find(tmix + "maa_k"),
                  find(tmix + "maa_v"),
                  find(tmix + "maa_r"),
                  find(tmix + "maa_g"),
                  find(tmix + "decay"),
                  find(tmix + "bonus"),
                  find(tmix + "receptance.weight"),
                  find(tmix + "key.weight"),
                  find(tmix + "value.weight"),
                  find(tmix + "gate.weight"),
                  find(tmix + "output.weight"),
                  find(tmix + "ln_x.weight"),
                  find(tmix + "ln_x.bias")};
    layer.cmix = {find(cmix + "maa_k"), find(cmix + "maa_r"), find(cmix + "key.weight"),
                  find(cmix + "value.weight"), find(cmix + "receptance.weight")};
    layer.swa = {find(at + "swa.qkv.weight"), find(at + "swa.proj.weight")};
    layer.gqa = {find(at + "gqa.qkvw.weight"), find(at + "gqa.proj.weight")};
    layer.moe.gate = find(moe + "gate.weight");
    layer.moe.gate_bias = find(moe + "gate.bias");
    for (int64_t e = 0; e < config.experts; ++e) {
      const std::string expert = moe + "experts." + std::to_string(e) + ".";
      layer.moe.experts.push_back(find(expert + "weight"));
      layer.moe.expert_biases.push_back(find(expert + "bias"));
    }
    layer.moe.out = find(moe + "fc.weight");
    layer.moe.out_bias = find(moe + "fc.bias");
    w.layers.push_back(std::move(layer));
  }
  return w;
}

}  // namespace rmkv
