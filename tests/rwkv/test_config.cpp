// Configurations, detection from shapes, parameter counts, initial values and optimiser groups.
// Values: rwkv-family.md, section 1.8.
#include "core/models/rwkv/rwkv_initial.h"
#include "tests/catch.h"
#include "tests/rwkv/synthetic.h"

using namespace rmkv;

namespace {

RwkvConfig official(const std::string& architecture, int64_t vocabulary, int64_t layers,
                    int64_t channels, Table more = {}) {
  Table table{{"architecture", architecture},
              {"vocabulary", vocabulary},
              {"layers", layers},
              {"channels", channels}};
  for (auto& [key, value] : more) table[key] = value;
  return RwkvConfig::from_table(table);
}

Tensor initial(const RwkvConfig& config, const std::string& name) {
  for (const RwkvParameter& parameter : rwkv_parameters(config)) {
    if (parameter.name == name) return rwkv_initial_value(config, parameter, 1).reshape({-1});
  }
  FAIL("no parameter " << name);
  return {};
}

void check_values(const Tensor& values, const std::vector<double>& at_places, double sum) {
  const int64_t places[] = {0, 1, 63, 64, 767};
  for (size_t i = 0; i < at_places.size(); ++i) {
    CHECK(std::fabs(values[places[i]].item<double>() - at_places[i]) < 1e-6);
  }
  CHECK(std::fabs(values.sum().item<double>() - sum) < 1e-5);
}

}  // namespace

TEST_CASE("official sizes have the published parameter counts") {
  CHECK(rwkv_parameter_count(official("rwkv7", 65536, 12, 768)) == 191084544);
  // The released 0.4B has gate rank 128 and value rank 32, not the formula's 160 and 64.
  CHECK(rwkv_parameter_count(official("rwkv7", 65536, 24, 1024,
                                      {{"gate_rank", 128}, {"value_rank", 32}})) == 450834432);
  CHECK(
      rwkv_parameter_count(official("rwkv7", 65536, 24, 2048,
                                    {{"decay_rank", 96}, {"rate_rank", 96}, {"gate_rank", 256}})) ==
      1527668736);  // released with the ranks of older code
  CHECK(rwkv_parameter_count(official("rwkv4", 50277, 12, 768)) == 169342464);
  CHECK(rwkv_parameter_count(official("rwkv4", 50277, 24, 1024)) == 430397440);
  CHECK(rwkv_parameter_count(official("rwkv4", 50277, 40, 5120)) == 14148597760);
}

TEST_CASE("ranks round half to even") {
  const RwkvConfig c = official("rwkv7", 65536, 24, 1024);
  CHECK(c.decay_rank == 64);  // 2.5 sqrt(1024) = 80 = 2.5 * 32
  CHECK(c.rate_rank == 64);
  CHECK(c.value_rank == 64);
  CHECK(c.gate_rank == 160);
}

TEST_CASE("a configuration survives its table and its own shapes") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const RwkvConfig c = RwkvConfig::from_table(golden.config);
    CHECK((RwkvConfig::from_table(c.to_table()).to_table() == c.to_table()));
    std::map<std::string, std::vector<int64_t>> shapes, official_shapes;
    for (const RwkvParameter& parameter : rwkv_parameters(c)) {
      shapes[parameter.name] = parameter.shape;
      const bool matrix =
          parameter.shape.size() > 1 || parameter.name.find("ln") != std::string::npos;
      official_shapes[parameter.name] =
          matrix ? parameter.shape : std::vector<int64_t>{1, 1, parameter.shape[0]};
    }
    CHECK((detect_rwkv_config(shapes).to_table() == c.to_table()));
    if (c.version != 5) CHECK((detect_rwkv_config(official_shapes).to_table() == c.to_table()));
    shapes.erase("ln_out.weight");
    CHECK_THROWS_WITH(detect_rwkv_config(shapes), Catch::Matchers::Contains("ln_out.weight"));
  }
}

TEST_CASE("detection tells the forms of version 5 and optional parts") {
  for (const std::string minor : {"5.0", "5.1", "5.2"}) {
    const RwkvConfig c = official("rwkv5", 100, 2, 128, {{"minor", minor}});
    std::map<std::string, std::vector<int64_t>> shapes;
    for (const RwkvParameter& parameter : rwkv_parameters(c)) {
      shapes[parameter.name] = parameter.shape;
      // As rwkv.cpp stores them: [H, N, 1] and [H, 1, 1].
      if (parameter.name.find("time_decay") != std::string::npos) {
        shapes[parameter.name].resize(3, 1);
      }
    }
    CHECK(detect_rwkv_config(shapes).minor == minor.back() - '0');
    CHECK(detect_rwkv_config(shapes).head_size == 64);
  }
  const RwkvConfig c = official("rwkv7", 12, 2, 32,
                                {{"head_size", 16},
                                 {"input_norm", false},
                                 {"head_bias", true},
                                 {"output_bias", true},
                                 {"decay_rank", 8},
                                 {"rate_rank", 8},
                                 {"value_rank", 8},
                                 {"gate_rank", 8}});
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const RwkvParameter& parameter : rwkv_parameters(c)) {
    if (!parameter.optional) shapes[parameter.name] = parameter.shape;
  }
  CHECK((detect_rwkv_config(shapes).to_table() == c.to_table()));
}

TEST_CASE("hostile shapes are refused by name") {
  const RwkvConfig c = official("rwkv7", 100, 2, 128);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const RwkvParameter& parameter : rwkv_parameters(c))
    shapes[parameter.name] = parameter.shape;
  auto bad = shapes;
  bad["emb.weight"] = {100, -128};
  CHECK_THROWS_WITH(detect_rwkv_config(bad), Catch::Matchers::Contains("emb.weight"));
  bad = shapes;
  bad["blocks.1.att.key.weight"] = {128, 127};
  CHECK_THROWS_WITH(detect_rwkv_config(bad), Catch::Matchers::Contains("blocks.1.att.key.weight"));
  bad = shapes;
  bad["blocks.0.att.r_k"] = {3, 43};
  CHECK_THROWS_WITH(detect_rwkv_config(bad), Catch::Matchers::Contains("r_k"));
  bad = shapes;
  bad["blocks.0.att.w1"] = {};
  CHECK_THROWS_WITH(detect_rwkv_config(bad), Catch::Matchers::Contains("w1"));
}

TEST_CASE("wrong options are refused by name") {
  CHECK_THROWS_WITH(official("rwkv7", 100, 2, 100), Catch::Matchers::Contains("channels"));
  CHECK_THROWS_WITH(official("rwkv4", 100, 2, 100, {{"head_size", 64}}),
                    Catch::Matchers::Contains("head_size"));
  CHECK_THROWS_WITH(official("rwkv5", 100, 2, 128, {{"minor", "5.3"}}),
                    Catch::Matchers::Contains("5.3"));
}

TEST_CASE("version 7 starts with the golden initial values") {
  const RwkvConfig c = official("rwkv7", 64, 12, 768);
  const auto block = [](int layer, const std::string& rest) {
    return "blocks." + std::to_string(layer) + "." + rest;
  };
  check_values(initial(c, block(0, "att.w0")), {-8, -7.835967, -2.507171, -7.499348, 3}, -1920);
  check_values(initial(c, block(5, "att.w0")), {-8, -7.843748, -2.931469, -7.929511, 3},
               -2571.15595);
  check_values(initial(c, block(11, "att.w0")), {-8, -7.843779, -2.959520, -7.958225, 3},
               -2686.99870);
  check_values(initial(c, block(0, "att.x_r")), {1, .735194, .393549, .391636, .000261}, 128.59257);
  check_values(initial(c, block(5, "att.x_r")), {1, .539346, .253040, .251666, .000152}, 80.92537);
  check_values(initial(c, block(11, "att.x_r")), {1, .104819, .040821, .040569, .000022}, 13.52429);
  check_values(initial(c, block(0, "ffn.x_k")), {1, .998698, .917969, .916667, .001302}, 384.5);
  check_values(initial(c, block(5, "ffn.x_k")), {1, .536652, .251398, .250032, .000151}, 80.38575);
  check_values(initial(c, block(11, "ffn.x_k")), {1, .000320, .000121, .000120, 0}, 1.03683);
  CHECK(initial(c, block(0, "att.ln_x.weight"))[7].item<double>() == Approx(0.1756197));
  CHECK(initial(c, block(5, "att.ln_x.weight"))[7].item<double>() == Approx(0.6155722));
  CHECK(initial(c, block(11, "att.ln_x.weight"))[7].item<double>() == Approx(1));
  for (const int layer : {0, 5, 11}) {
    check_values(initial(c, block(layer, "att.a0")), {-0.69, -0.670733, -0.057145, -0.656623, 0.31},
                 -145.92);
    check_values(initial(c, block(layer, "att.v0")), {0.93, 0.929478}, 560.64);
    check_values(initial(c, block(layer, "att.k_k")), {0.76, 0.75987}, 545.28);
  }
}

TEST_CASE("versions 4, 5 and 6 start with the golden decays and bonuses") {
  const std::map<int, std::pair<double, double>> decays = {{0, {-226.59882, -2349.62426}},
                                                           {5, {-1157.58625, -2931.49140}},
                                                           {11, {-1790.66493, -3327.16558}}};
  for (const auto& [layer, sums] : decays) {
    const std::string name = "blocks." + std::to_string(layer) + ".att.";
    check_values(initial(official("rwkv4", 64, 12, 768), name + "time_decay"), {}, sums.first);
    check_values(initial(official("rwkv5", 64, 12, 768), name + "time_decay"), {}, sums.second);
    check_values(initial(official("rwkv6", 64, 12, 768), name + "time_decay"), {}, sums.second);
    check_values(initial(official("rwkv4", 64, 12, 768), name + "time_first"), {}, -924.65111);
  }
}

TEST_CASE("matrices start orthogonal or at zero, one layer divides by nothing") {
  const RwkvConfig c = official("rwkv7", 96, 1, 64);
  for (const RwkvParameter& parameter : rwkv_parameters(c)) {
    INFO(parameter.name);
    const Tensor value = rwkv_initial_value(c, parameter, 3);
    CHECK(value.sizes() == at::IntArrayRef(parameter.shape));
    CHECK(value.isfinite().all().item<bool>());
    CHECK(at::equal(value, rwkv_initial_value(c, parameter, 3)));
  }
  const auto gram = [&](const std::string& name) {
    const Tensor w = initial(c, name).view({-1, 64});
    return at::mm(w.t(), w);
  };
  const Tensor one = at::eye(64, at::kDouble);
  CHECK((gram("blocks.0.att.receptance.weight") - one).abs().max().item<double>() < 1e-5);
  CHECK((gram("blocks.0.att.key.weight") - 0.01 * one).abs().max().item<double>() < 1e-5);
  CHECK((gram("head.weight") - 0.25 * 1.5 * one).abs().max().item<double>() < 1e-5);
  CHECK(initial(c, "blocks.0.att.output.weight").abs().max().item<double>() == 0);
  CHECK(initial(c, "blocks.0.ffn.value.weight").abs().max().item<double>() == 0);
}

TEST_CASE("weight decay is for matrices, twice the rate for the decay") {
  const auto group = [](const std::string& name, std::vector<int64_t> shape) {
    return group_name(rwkv_parameter_group({name, std::move(shape), false}));
  };
  CHECK(group("emb.weight", {8, 4}) == "matrix");
  CHECK(group("blocks.0.att.key.weight", {4, 4}) == "matrix");
  CHECK(group("blocks.0.ln1.weight", {4}) == "vector");
  CHECK(group("blocks.0.att.w1", {4, 2}) == "vector");
  CHECK(group("blocks.0.att.r_k", {2, 2}) == "vector");
  CHECK(group("blocks.0.att.w0", {4}) == "gate");
  CHECK(group("blocks.0.att.time_decay", {4}) == "gate");
}
