// Options, presets, initial values and probes of RMKV.
#include <cmath>

#include "core/memory/cell.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;
using Catch::Matchers::Contains;

TEST_CASE("a configuration survives the way through a table") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const Table table = RmkvConfig::from_table(variant.config).to_table();
    CHECK((RmkvConfig::from_table(table).to_table() == table));
  }
}

TEST_CASE("faulty options are refused by name") {
  const auto reads = [](Table changes) {
    return RmkvConfig::from_table(small_config(std::move(changes)));
  };
  CHECK_THROWS_WITH(reads({{"chanels", 8}}), Contains("chanels") && Contains("channels"));
  CHECK_THROWS_WITH(reads({{"cell", "gruu"}}), Contains("gru"));
  CHECK_THROWS_WITH(reads({{"channels", 15}}), Contains("multiple of heads"));
  CHECK_THROWS_WITH(reads({{"channels", 10}}), Contains("even number"));
  CHECK_THROWS_WITH(reads({{"memory_layers", List{3}}}),
                    Contains("rising layer numbers from 1 to 2"));
  CHECK_THROWS_WITH(reads({{"memory_layers", List{2, 1}}}), Contains("rising"));
  CHECK_THROWS_WITH(reads({{"slots", 0}, {"write_stream", true}}), Contains("slots"));
  CHECK_THROWS_WITH(reads({{"horizon", 0.5}}), Contains("horizon"));
  CHECK_THROWS_WITH(RmkvConfig::from_table({{"channels", 8}}), Contains("vocabulary"));
  CHECK_THROWS_WITH(rmkv_preset("tini"), Contains("tiny"));
}

TEST_CASE("presets have the sizes they are named for") {
  const auto millions = [](const char* name, int64_t vocabulary) {
    Table table = rmkv_preset(name);
    table["vocabulary"] = vocabulary;
    return static_cast<double>(rmkv_parameter_count(RmkvConfig::from_table(table))) / 1e6;
  };
  CHECK(millions("tiny", 2048) == Approx(1.25).epsilon(0.05));
  CHECK(millions("small", 8192) == Approx(10).epsilon(0.1));
  CHECK(millions("base", 30000) == Approx(120).epsilon(0.05));
  CHECK(millions("1b", 30000) == Approx(1200).epsilon(0.05));
  const RmkvConfig large = RmkvConfig::from_table([] {
    Table table = rmkv_preset("1b");
    table["vocabulary"] = 30000;
    return table;
  }());
  CHECK(large.layers == 24);
  CHECK(large.head_dim() == 128);
}

TEST_CASE("the declared parameters are the model's, and the count agrees") {
  for (const Variant& variant : all_variants()) {
    INFO(variant.name);
    const RmkvConfig config = RmkvConfig::from_table(variant.config);
    RmkvModel model(config, 1, at::kFloat, at::kCPU);
    CHECK(model.parameters().element_count() == rmkv_parameter_count(config));
    CHECK(model.facts().any_split);
  }
}

TEST_CASE("initial values depend on seed and name alone") {
  RmkvModel plain(RmkvConfig::from_table(small_config()), 9, at::kFloat, at::kCPU);
  RmkvModel more(RmkvConfig::from_table(
                     small_config({{"store", true}, {"tie_head", false}, {"write_stream", true}})),
                 9, at::kFloat, at::kCPU);
  RmkvModel other(RmkvConfig::from_table(small_config()), 10, at::kFloat, at::kCPU);
  for (const Parameter& parameter : plain.parameters().all()) {
    INFO(parameter.name);
    CHECK(at::equal(parameter.value, more.parameters().get(parameter.name).value));
  }
  CHECK_FALSE(at::equal(plain.weights().embedding, other.weights().embedding));
}

TEST_CASE("half-lives are log-uniform over the horizon and gates stand in their own group") {
  for (const char* cell : {"gru", "lstm", "minimal", "ema"}) {
    INFO(cell);
    const double horizon = 32;
    RmkvModel model(RmkvConfig::from_table(small_config(
                        {{"cell", cell}, {"channels", 64}, {"slots", 64}, {"horizon", horizon}})),
                    4, at::kDouble, at::kCPU);
    const Parameter& bias = model.parameters().get("layers.1.memory.cell.keep_bias");
    CHECK(bias.group == ParameterGroup::kGate);
    const Tensor life = model.probe("half_life.1", model.initial_state(1));
    CHECK(life.min().item<double>() >= 1 - 1e-9);
    CHECK(life.max().item<double>() <= horizon + 1e-6);
    // log2 uniform on [0, 5]: mean 2.5, deviation 5 / sqrt(12); 4,096 draws.
    CHECK(life.log2().mean().item<double>() == Approx(2.5).margin(0.1));
    CHECK(life.log2().std().item<double>() == Approx(5 / std::sqrt(12.0)).margin(0.1));
    CHECK(at::allclose(model.probe("keep.1", model.initial_state(1)), at::sigmoid(bias.value)));
    if (std::string(cell) == "lstm") {
      CHECK(
          at::equal(model.parameters().get("layers.1.memory.cell.write_bias").value, -bias.value));
    }
  }
  RmkvModel model(RmkvConfig::from_table(small_config({{"channels", 64}})), 4, at::kDouble,
                  at::kCPU);
  const Tensor weight = model.parameters().get("layers.1.memory.cell.input.weight").value;
  const double gates = weight.narrow(0, 0, 128).std().item<double>(),
               candidate = weight.narrow(0, 128, 64).std().item<double>();
  CHECK(gates / candidate == Approx(0.1).epsilon(0.1));
  CHECK(model.weights().layers[0].initial.std().item<double>() == Approx(0.05).epsilon(0.2));
}

TEST_CASE("a bias for what is near rises from head to head and spares values and memory") {
  RmkvModel model(RmkvConfig::from_table(small_config({{"recency", 2.0}})), 4, at::kDouble,
                  at::kCPU);
  const Tensor bias = model.parameters().get("layers.1.attention.qkv.bias").value;
  const int64_t width = kChannels / 2;
  const auto score = [&](int64_t h) {
    const Tensor query = bias.narrow(0, h * width, width),
                 key = bias.narrow(0, kChannels + h * width, width);
    return (query * key).sum().item<double>() / std::sqrt(static_cast<double>(width));
  };
  CHECK(score(0) == Approx(1.0));
  CHECK(score(1) == Approx(2.0));
  CHECK(bias.narrow(0, 2 * kChannels, kChannels).abs().max().item<double>() == 0);
}

TEST_CASE("readings are what attention and values say") {
  // One layer, one slot, one token in a segment of one, no bridge: the share is the softmax of two
  // scores, and without a store nothing else is read.
  const auto model =
      make_model(small_config({{"layers", 1}, {"slots", 1}, {"segment_tokens", 1}, {"bridge", 0}}),
                 3, at::kDouble);
  at::NoGradGuard no_grad;
  State state = model->initial_state(2);
  std::map<std::string, Tensor> readings;
  ForwardOptions options;
  options.readings = &readings;
  const Tensor tokens = random_tokens(2, 3, 5);
  model->forward(tokens, state, options);
  REQUIRE(readings.size() == 2);
  const Tensor share = readings.at("attention_share.1"), norm = readings.at("read_norm.1");
  CHECK(share.sizes() == tokens.sizes());
  const auto& layer = model->weights().layers[0];
  const auto normed = [&](const Tensor& x) {
    return x / (x.square().mean(-1, true) + 1e-5).sqrt() * layer.norm;
  };
  const Tensor x = model->weights().embedding.index_select(0, tokens.select(1, 0));
  const auto token = at::matmul(normed(x), layer.qkv.t()).chunk(3, -1);
  const auto memory = at::matmul(normed(layer.initial) + layer.slot_id, layer.qkv.t()).chunk(3, -1);
  const auto heads = [](const Tensor& row) { return row.unflatten(-1, {2, kChannels / 2}); };
  const double scale = 1 / std::sqrt(kChannels / 2.0);
  const Tensor on_memory = (heads(token[0]) * heads(memory[1])).sum(-1) * scale,
               on_itself = (heads(token[0]) * heads(token[1])).sum(-1) * scale;
  const Tensor expected = at::sigmoid(on_memory - on_itself);  // [B, H]
  CHECK(difference(share.select(1, 0), expected.mean(1)) < 1e-10);
  const Tensor read = (expected.unsqueeze(2) * heads(memory[2])).flatten(1);
  CHECK(difference(norm.select(1, 0),
                   at::matmul(read, layer.out.t()).norm(2, {1}) / x.norm(2, {1})) < 1e-10);
  CHECK_THROWS_WITH(
      [&] {
        State open = model->initial_state(1);
        ForwardOptions longer = options;
        longer.segment_tokens = 2;
        model->forward(random_tokens(1, 3, 5), open, longer);
      }(),
      Contains("whole segments"));
}

TEST_CASE("the head is the embedding unless asked otherwise") {
  RmkvModel tied(RmkvConfig::from_table(small_config()), 1, at::kFloat, at::kCPU);
  CHECK(tied.head_weight().is_same(tied.weights().embedding));
  RmkvModel untied(RmkvConfig::from_table(small_config({{"tie_head", false}})), 1, at::kFloat,
                   at::kCPU);
  CHECK_FALSE(untied.head_weight().is_same(untied.weights().embedding));
}

TEST_CASE("an untrained preset puts forward what followed the same words before") {
  Table table = rmkv_preset("tiny");
  table["vocabulary"] = 64;
  table["store"] = true;
  RmkvModel model(RmkvConfig::from_table(table), 1, at::kFloat, at::kCPU);
  at::NoGradGuard no_grad;
  // Logits behind "1 2 3", which `answer` followed a segment and more ago.
  const auto logits_after = [&](int64_t answer) {
    std::vector<int64_t> ids = {1, 2, 3, answer};
    for (int64_t t = 0; t < 200; ++t) ids.push_back(10 + t % 50);
    for (const int64_t id : {1, 2, 3}) ids.push_back(id);
    State state = model.initial_state(1);
    return model.logits(model.forward(at::tensor(ids, at::kLong).view({1, -1}), state, {}))
        .select(1, -1)
        .flatten();
  };
  const Tensor seven = logits_after(7), eight = logits_after(8);
  CHECK((seven[7] - eight[7]).item<double>() > 0.5);
  CHECK((eight[8] - seven[8]).item<double>() > 0.5);
  CHECK((seven[20] - eight[20]).abs().item<double>() < 0.3);
}

TEST_CASE("every probe that is named can be read; an unknown one names the nearest") {
  for (const Variant& variant : all_variants()) {
    const auto model = make_model(variant.config, 2, at::kFloat);
    State state = model->initial_state(2);
    at::NoGradGuard no_grad;
    model->forward(random_tokens(2, kSegment, 2), state, {});
    for (const std::string& name : model->probe_names()) {
      INFO(variant.name << " " << name);
      CHECK(model->probe(name, state).isfinite().all().item<bool>());
    }
    CHECK_THROWS_WITH(model->probe("memoree.1", state), Contains("unknown probe"));
    for (const std::string& name : model->memory_names(state)) CHECK(state.has(name));
  }
}
