// Initial values and optimiser groups of every version, tensor by tensor: each parameter of a small
// model must have a rule here, written from the table of rwkv-family.md, section 1.8, and follow
// it.
#include "core/models/rwkv/rwkv_initial.h"
#include "tests/catch.h"
#include "tests/rwkv/synthetic.h"

using namespace rmkv;

namespace {

constexpr int64_t kLayers = 3, kChannels = 128, kHead = 32, kVocabulary = 200;

// A curve over the elements, or a kind of random matrix with its scale.
struct Rule {
  std::function<double(int64_t)> curve;  // value of element i, exact
  double orthogonal = 0;                 // scale of orthonormal rows or columns
  double uniform = 0;                    // limit
};
Rule curve(std::function<double(int64_t)> value) {
  return {std::move(value)};
}
Rule constant(double value) {
  return curve([value](int64_t) { return value; });
}
Rule orthogonal(double scale) {
  return {nullptr, scale};
}
Rule uniform(double limit) {
  return {nullptr, 0, limit};
}

using Rules = std::map<std::string, std::function<Rule(int64_t)>>;  // by layer (0 outside blocks)

double rho(int64_t layer) {
  return static_cast<double>(layer) / (kLayers - 1);
}
double tau(int64_t layer) {
  return 1 - static_cast<double>(layer) / kLayers;
}
double place(int64_t i) {
  return static_cast<double>(i) / kChannels;
}
double along(int64_t i, int64_t count) {
  return static_cast<double>(i) / static_cast<double>(count - 1);
}
double zigzag(int64_t i) {
  return static_cast<double>((i + 1) % 3) - 1;
}
double zeta(int64_t i) {
  const double half = (kHead - 1) / 2.0, s = (static_cast<double>(i % kHead) - half) / half;
  return s * std::fabs(s);
}
double lambda(int64_t i) {
  return along(i, kChannels) - 0.5;
}
// Share of the current row for a power of the layer's tau, plus `more` rho.
Rule share(double power, double offset, bool of_current) {
  return curve([=](int64_t i) {
    const double current = std::pow(place(i), power) + offset;
    return of_current ? current : 1 - current;
  });
}

Rule one(int64_t) {
  return constant(1);
}
Rule zero(int64_t) {
  return constant(0);
}
std::function<Rule(int64_t)> always(const Rule& rule) {
  return [rule](int64_t) { return rule; };
}
Rule ln_x(int64_t l) {
  return constant(std::pow(static_cast<double>(1 + l) / kLayers, 0.7));
}

// What all versions have; the head is tall (V > D).
Rules common() {
  return {{"emb.weight", always(uniform(1e-4))},
          {"head.weight", always(orthogonal(0.5 * std::sqrt(1.0 * kVocabulary / kChannels)))},
          {"ln_out.weight", one},
          {"ln_out.bias", zero},
          {"ln0.weight", one},
          {"ln0.bias", zero},
          {"ln1.weight", one},
          {"ln1.bias", zero},
          {"ln2.weight", one},
          {"ln2.bias", zero},
          {"att.output.weight", zero},
          {"ffn.value.weight", zero}};
}

Rules with_heads(Rules rules) {
  rules["att.ln_x.weight"] = ln_x;
  rules["att.ln_x.bias"] = zero;
  rules["att.receptance.weight"] = rules["att.value.weight"] = always(orthogonal(1));
  rules["att.key.weight"] = always(orthogonal(0.1));
  return rules;
}

Rules version_4() {
  Rules r = common();
  r["emb.weight"] = always(uniform(6e-4));
  r["att.key.weight"] = r["att.receptance.weight"] = r["ffn.receptance.weight"] = zero;
  r["att.value.weight"] = always(orthogonal(1));
  r["ffn.key.weight"] = always(orthogonal(2));  // 4 D rows
  r["att.time_mix_k"] = [](int64_t l) { return share(tau(l), 0, true); };
  r["att.time_mix_v"] = [](int64_t l) { return share(tau(l), 0.3 * rho(l), true); };
  r["att.time_mix_r"] = [](int64_t l) { return share(tau(l) / 2, 0, true); };
  r["ffn.time_mix_k"] = r["ffn.time_mix_r"] = r["att.time_mix_k"];
  r["att.time_decay"] = [](int64_t l) {
    return curve(
        [l](int64_t i) { return -5 + 8 * std::pow(along(i, kChannels), 0.7 + 1.3 * rho(l)); });
  };
  r["att.time_first"] = always(curve([](int64_t i) { return std::log(0.3) + 0.5 * zigzag(i); }));
  return r;
}

// -6 + 5 x^(0.7 + 1.3 rho) over `count` numbers.
std::function<Rule(int64_t)> decay_5(int64_t count) {
  return [count](int64_t l) {
    return curve([=](int64_t i) { return -6 + 5 * std::pow(along(i, count), 0.7 + 1.3 * rho(l)); });
  };
}
Rule bonus_5(int64_t l) {
  return curve([l](int64_t i) { return rho(l) * (1 - along(i, kChannels)) + 0.1 * zigzag(i); });
}

Rules version_5(int minor) {
  Rules r = with_heads(common());
  r["ffn.receptance.weight"] = zero;
  r["ffn.key.weight"] = always(orthogonal(std::sqrt(3.5)));
  for (const auto& [name, rule] : version_4()) {
    if (name.find("time_mix") != std::string::npos) r[name] = rule;
  }
  r["att.time_decay"] = decay_5(minor == 2 ? kChannels : kChannels / kHead);
  if (minor == 0) {
    r["att.time_first"] = always(constant(-3));
    return r;
  }
  r["att.time_mix_g"] = r["att.time_mix_r"];
  r["att.gate.weight"] = always(orthogonal(0.1));
  r["att.time_faaaa"] = minor == 1 ? always(constant(0.05)) : bonus_5;
  return r;
}

Rules version_6() {
  Rules r = with_heads(common());
  r["ffn.receptance.weight"] = zero;
  r["ffn.key.weight"] = always(orthogonal(std::sqrt(3.5)));
  r["att.gate.weight"] = always(orthogonal(0.1));
  for (const char* name : {"x", "w", "k"}) {
    r[std::string("att.time_maa_") + name] = [](int64_t l) { return share(tau(l), 0, false); };
  }
  r["att.time_maa_v"] = [](int64_t l) { return share(tau(l), 0.3 * rho(l), false); };
  r["att.time_maa_r"] = r["att.time_maa_g"] = [](int64_t l) { return share(tau(l) / 2, 0, false); };
  r["ffn.time_maa_k"] =
      r["ffn.time_maa_r"] = [](int64_t l) { return share(std::pow(tau(l), 3), 0, false); };
  r["att.time_maa_w1"] = r["att.time_decay_w1"] = zero;
  r["att.time_maa_w2"] = r["att.time_decay_w2"] = always(uniform(0.01));
  r["att.time_decay"] = decay_5(kChannels);
  r["att.time_faaaa"] = bonus_5;
  return r;
}

Rules version_7() {
  Rules r = with_heads(common());
  r["ffn.key.weight"] = always(orthogonal(2));
  const auto power = [](double factor) {
    return [factor](int64_t l) { return share(factor * tau(l), 0, false); };
  };
  r["att.x_r"] = r["att.x_g"] = power(0.2);
  r["att.x_w"] = r["att.x_a"] = power(0.9);
  r["att.x_k"] = r["att.x_v"] = power(0.7);
  r["ffn.x_k"] = [](int64_t l) { return share(std::pow(tau(l), 4), 0, false); };
  for (const char* name : {"w", "a", "v", "g"}) {
    r[std::string("att.") + name + "1"] = zero;
    r[std::string("att.") + name + "2"] = always(orthogonal(0.1));
  }
  r["att.w0"] = [](int64_t l) {
    return curve([l](int64_t i) {
      return -6 + 6 * std::pow(along(i, kChannels), 1 + std::pow(rho(l), 0.3)) + 0.5 +
             2.5 * zeta(i);
    });
  };
  r["att.a0"] = always(curve([](int64_t i) { return -0.19 + 0.3 * zeta(i) + 0.4 * lambda(i); }));
  r["att.v0"] = always(curve([](int64_t i) { return 0.73 - 0.4 * lambda(i); }));
  r["att.k_k"] = always(curve([](int64_t i) { return 0.71 - 0.1 * lambda(i); }));
  r["att.k_a"] = always(constant(1.02));
  r["att.r_k"] = always(constant(-0.04));
  return r;
}

void check_rule(const Tensor& value, const Rule& rule) {
  const Tensor flat = value.reshape({-1});
  if (rule.curve) {
    Tensor expected = at::empty_like(flat);
    for (int64_t i = 0; i < flat.numel(); ++i) expected[i].fill_(rule.curve(i));
    CHECK((flat - expected).abs().max().item<double>() < 1e-9);
  } else if (rule.uniform > 0) {
    const double deviation = rule.uniform / std::sqrt(3.0), limit = rule.uniform;
    CHECK(flat.abs().max().item<double>() <= limit);
    CHECK(flat.abs().max().item<double>() > 0.95 * limit);
    CHECK(flat.std().item<double>() == Approx(deviation).epsilon(0.05));
    CHECK(std::fabs(flat.mean().item<double>()) <
          5 * deviation / std::sqrt(static_cast<double>(flat.numel())));
  } else {
    const Tensor thin = value.size(0) < value.size(1) ? value.t() : value;  // columns orthonormal
    const Tensor one = at::eye(thin.size(1), at::kDouble);
    const double square = rule.orthogonal * rule.orthogonal;
    CHECK((at::mm(thin.t(), thin) - square * one).abs().max().item<double>() < 2e-5 * square);
    const double deviation = rule.orthogonal / std::sqrt(static_cast<double>(thin.size(0)));
    CHECK(thin.square().mean().sqrt().item<double>() == Approx(deviation).epsilon(1e-4));
  }
}

// The place of a parameter: its rule's name and its layer.
std::pair<std::string, int64_t> place_of(const std::string& name) {
  if (name.rfind("blocks.", 0) != 0) return {name, 0};
  const size_t dot = name.find('.', 7);
  return {name.substr(dot + 1), std::stoll(name.substr(7, dot - 7))};
}

struct Version {
  Table config;
  Rules rules;
};
std::vector<Version> versions() {
  const auto config = [](const char* architecture, Table more = {}) {
    Table table{{"architecture", architecture},
                {"vocabulary", kVocabulary},
                {"layers", kLayers},
                {"channels", kChannels}};
    if (std::string(architecture) != "rwkv4") table["head_size"] = kHead;
    for (auto& [key, value] : more) table[key] = value;
    return table;
  };
  return {{config("rwkv4"), version_4()},
          {config("rwkv5", {{"minor", "5.0"}}), version_5(0)},
          {config("rwkv5", {{"minor", "5.1"}}), version_5(1)},
          {config("rwkv5", {{"minor", "5.2"}}), version_5(2)},
          {config("rwkv6"), version_6()},
          {config("rwkv7"), version_7()}};
}

}  // namespace

TEST_CASE("every tensor of every version starts by its rule") {
  for (const Version& version : versions()) {
    const RwkvConfig c = RwkvConfig::from_table(version.config);
    std::set<std::string> met;
    for (const RwkvParameter& parameter : rwkv_parameters(c)) {
      INFO(c.architecture() << " minor " << c.minor << " " << parameter.name);
      const auto [name, layer] = place_of(parameter.name);
      REQUIRE(version.rules.count(name) == 1);
      met.insert(name);
      check_rule(rwkv_initial_value(c, parameter, 5), version.rules.at(name)(layer));
    }
    CHECK(met.size() == version.rules.size());  // no rule is for nothing
  }
}

TEST_CASE("random initial values depend on seed and name alone") {
  const RwkvConfig c = RwkvConfig::from_table(versions().back().config);
  const RwkvParameter one = {"blocks.0.att.value.weight", {kChannels, kChannels}, false},
                      other = {"blocks.1.att.value.weight", {kChannels, kChannels}, false};
  CHECK(at::equal(rwkv_initial_value(c, one, 5), rwkv_initial_value(c, one, 5)));
  CHECK_FALSE(at::equal(rwkv_initial_value(c, one, 5), rwkv_initial_value(c, one, 6)));
  CHECK_FALSE(at::equal(rwkv_initial_value(c, one, 5), rwkv_initial_value(c, other, 5)));
}

TEST_CASE("every tensor of every version is in its optimiser group") {
  for (const Version& version : versions()) {
    const RwkvConfig c = RwkvConfig::from_table(version.config);
    for (const RwkvParameter& parameter : rwkv_parameters(c)) {
      INFO(c.architecture() << " " << parameter.name);
      const std::string name = place_of(parameter.name).first;
      const std::string group = group_name(rwkv_parameter_group(parameter));
      const bool decays = name.size() > 7 && name.substr(name.size() - 7) == ".weight" &&
                          parameter.shape.size() == 2;
      const bool twice = name == "att.w0" || name == "att.time_decay";
      CHECK(group == (decays ? "matrix" : twice ? "gate" : "vector"));
    }
    const auto model = create_model(version.config, 1);
    const Table options = model->optimizer_options();
    CHECK(options.at("eps") == Value(1e-18));
    CHECK(options.at("betas") == Value(List{0.9, 0.99}));
    CHECK(options.at("groups").as_table().at("gate").as_table().at("lr_scale") == Value(2.0));
  }
}
