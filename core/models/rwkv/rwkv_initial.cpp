// See rwkv_initial.h.
#include "core/models/rwkv/rwkv_initial.h"

#include <cmath>
#include <functional>

#include "core/base/random.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// Where a parameter stands: its layer's place in the stack and the rest of its name.
struct Place {
  int64_t layer = -1;  // -1 outside the blocks
  std::string rest;    // "att.time_decay", "emb.weight"
  double rho = 0;      // l / (L - 1), 0 with one layer
  double tau = 1;      // 1 - l / L
};

Place place_of(const RwkvConfig& c, const std::string& name) {
  Place place;
  if (name.rfind("blocks.", 0) != 0) {
    place.rest = name;
    return place;
  }
  const size_t dot = name.find('.', 7);
  place.layer = std::stoll(name.substr(7, dot - 7));
  place.rest = name.substr(dot + 1);
  const auto l = static_cast<double>(place.layer), L = static_cast<double>(c.layers);
  place.rho = c.layers > 1 ? l / (L - 1) : 0;
  place.tau = 1 - l / L;
  return place;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// One value per element, by its index.
Tensor by_index(const std::vector<int64_t>& shape, const std::function<double(double)>& value) {
  Tensor result = at::empty(shape, at::kDouble);
  double* data = result.mutable_data_ptr<double>();
  for (int64_t i = 0; i < result.numel(); ++i) data[i] = value(static_cast<double>(i));
  return result;
}

Tensor uniform(const RwkvParameter& parameter, uint64_t seed, double limit) {
  RandomStream random(seed, parameter.name);
  return by_index(parameter.shape, [&](double) { return limit * (2 * random.uniform() - 1); });
}

// Orthonormal rows or columns (whichever are fewer), times `scale` and, for tall matrices, the root
// of their shape's ratio, which keeps the deviation of what they give.
Tensor orthogonal(const RwkvParameter& parameter, uint64_t seed, double scale) {
  const int64_t rows = parameter.shape[0], columns = parameter.shape[1];
  RandomStream random(seed, parameter.name);
  const Tensor normal = by_index({std::max(rows, columns), std::min(rows, columns)}, [&](double) {
                          return random.normal();
                        }).to(at::kFloat);
  const auto [q, r] = at::linalg_qr(normal);
  const Tensor unique = (q * r.diagonal().sign()).to(at::kDouble);  // the factors with diag R > 0
  const double ratio = static_cast<double>(rows) / static_cast<double>(columns);
  const double gain = rows > columns ? std::sqrt(ratio) : 1.0;
  return (rows < columns ? unique.t() : unique).contiguous() * (scale * gain);
}

// Shares of the token shift: d^power (+ offset), in the convention of the version.
Tensor share(const RwkvConfig& c, const RwkvParameter& parameter, const Place& place) {
  const std::string& rest = place.rest;
  const char what = rest.back();
  double power = place.tau, offset = 0;
  if (c.version == 7) {
    const double fraction = what == 'r' || what == 'g'   ? 0.2
                            : what == 'w' || what == 'a' ? 0.9
                                                         : 0.7;
    power = rest == "ffn.x_k" ? std::pow(place.tau, 4) : fraction * place.tau;
  } else if (rest.rfind("ffn.", 0) == 0) {
    if (c.version == 6) power = std::pow(place.tau, 3);
  } else if (what == 'r' || what == 'g') {
    power = place.tau / 2;
  } else if (what == 'v') {
    offset = 0.3 * place.rho;
  }
  const auto D = static_cast<double>(c.channels);
  return by_index(parameter.shape, [&](double i) {
    const double current = std::pow(i / D, power) + offset;
    return c.version <= 5 ? current : 1 - current;
  });
}

// i / (count - 1), 0 with one.
double fraction_of(double i, int64_t count) {
  return count > 1 ? i / static_cast<double>(count - 1) : 0;
}

// -1, 0, 1, -1, ... starting with 0: neighbours begin apart.
double zigzag(double i) {
  return std::fmod(i + 1, 3) - 1;
}

// Place within a head, squared with its sign: -1 .. 1.
double head_curve(double i, int64_t head_size) {
  if (head_size < 2) return 0;
  const double half = static_cast<double>(head_size - 1) / 2;
  const double s = (std::fmod(i, static_cast<double>(head_size)) - half) / half;
  return s * std::fabs(s);
}

Tensor decay(const RwkvConfig& c, const RwkvParameter& parameter, const Place& place) {
  int64_t count = 1;
  for (const int64_t size : parameter.shape) count *= size;
  return by_index(parameter.shape, [&](double i) {
    const double x = fraction_of(i, count);
    if (c.version == 7) {
      return -6 + 6 * std::pow(x, 1 + std::pow(place.rho, 0.3)) + 0.5 +
             2.5 * head_curve(i, c.head_size);
    }
    const double curve = std::pow(x, 0.7 + 1.3 * place.rho);
    return c.version == 4 ? -5 + 8 * curve : -6 + 5 * curve;
  });
}

Tensor bonus(const RwkvConfig& c, const RwkvParameter& parameter, const Place& place) {
  if (c.version == 4) {
    return by_index(parameter.shape, [](double i) { return std::log(0.3) + 0.5 * zigzag(i); });
  }
  if (c.version == 5 && c.minor < 2) {  // one per head: RWKV-LM's constants, exp(-3) = 0.05
    return at::full(parameter.shape, c.minor == 0 ? -3.0 : 0.05, at::kDouble);
  }
  return by_index(parameter.shape, [&](double i) {
    return place.rho * (1 - fraction_of(i, c.channels)) + 0.1 * zigzag(i);
  });
}

// Vectors and low-rank maps of version 7; undefined for other names.
Tensor version_7_value(const RwkvConfig& c, const RwkvParameter& parameter, const std::string& rest,
                       uint64_t seed) {
  const auto shape = parameter.shape;
  const auto lambda = [&](double i) { return fraction_of(i, c.channels) - 0.5; };
  if (rest == "att.a0") {
    return by_index(shape, [&](double i) {
      return -0.19 + 0.3 * head_curve(i, c.head_size) + 0.4 * lambda(i);
    });
  }
  if (rest == "att.v0") return by_index(shape, [&](double i) { return 0.73 - 0.4 * lambda(i); });
  if (rest == "att.k_k") return by_index(shape, [&](double i) { return 0.71 - 0.1 * lambda(i); });
  if (rest == "att.k_a") return at::full(shape, 1.02, at::kDouble);
  if (rest == "att.r_k") return at::full(shape, -0.04, at::kDouble);
  if (rest.size() == 6 && rest.back() == '1') return at::zeros(shape, at::kDouble);
  if (rest.size() == 6 && rest.back() == '2') return orthogonal(parameter, seed, 0.1);
  return {};
}

Tensor matrix(const RwkvConfig& c, const RwkvParameter& parameter, const Place& place,
              uint64_t seed) {
  const std::string& rest = place.rest;
  // Version 4's code takes its learning rate for the limit: 6e-4 by default.
  if (rest == "emb.weight") return uniform(parameter, seed, c.version == 4 ? 6e-4 : 1e-4);
  if (rest == "head.weight") return orthogonal(parameter, seed, 0.5);
  const bool starts_at_zero =
      rest == "att.output.weight" || rest == "ffn.value.weight" ||
      rest == "ffn.receptance.weight" ||
      (c.version == 4 && (rest == "att.key.weight" || rest == "att.receptance.weight"));
  if (starts_at_zero) return at::zeros(parameter.shape, at::kDouble);
  const bool weak = rest == "att.key.weight" || rest == "att.gate.weight";
  return orthogonal(parameter, seed, weak ? 0.1 : 1.0);
}

}  // namespace

Tensor rwkv_initial_value(const RwkvConfig& c, const RwkvParameter& parameter, uint64_t seed) {
  const Place place = place_of(c, parameter.name);
  const std::string& rest = place.rest;
  if (rest == "att.ln_x.weight") {
    const auto l = static_cast<double>(place.layer), L = static_cast<double>(c.layers);
    return at::full(parameter.shape, std::pow((1 + l) / L, 0.7), at::kDouble);
  }
  if (ends_with(rest, ".bias") || rest == "att.time_state") {
    return at::zeros(parameter.shape, at::kDouble);
  }
  if (ends_with(rest, ".weight")) {
    if (parameter.shape.size() == 1) return at::ones(parameter.shape, at::kDouble);
    return matrix(c, parameter, place, seed);
  }
  if (rest == "att.time_decay" || rest == "att.w0") return decay(c, parameter, place);
  if (rest == "att.time_first" || rest == "att.time_faaaa") return bonus(c, parameter, place);
  if (c.version == 6 && (ends_with(rest, "w1") || ends_with(rest, "w2"))) {
    return ends_with(rest, "1") ? at::zeros(parameter.shape, at::kDouble)
                                : uniform(parameter, seed, 0.01);
  }
  if (c.version == 7) {
    const Tensor value = version_7_value(c, parameter, rest, seed);
    if (value.defined()) return value;
  }
  return share(c, parameter, place);
}

ParameterGroup rwkv_parameter_group(const RwkvParameter& parameter) {
  if (ends_with(parameter.name, ".weight") && parameter.shape.size() >= 2) {
    return ParameterGroup::kMatrix;
  }
  if (ends_with(parameter.name, "att.w0") || ends_with(parameter.name, "att.time_decay")) {
    return ParameterGroup::kGate;
  }
  return ParameterGroup::kVector;
}

}  // namespace rmkv
