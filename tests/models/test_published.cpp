// The original block against what the original program computed, and its leak.
//
// Golden values: data/rmkv-original (random weights; logits and memories of three segments of 12
// ids made by running the original program; `leak_logits`: only the last id of segment 1 changed).
#include <cstdlib>
#include <filesystem>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/models/rmkv/original.h"
#include "core/models/rmkv/published.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using variants::difference;

namespace {

constexpr int64_t kLength = 12;

std::string fixture_folder() {
  const char* given = std::getenv("RMKV_DATA");
  for (const std::string& folder :
       {std::string(given ? given : ""), std::string("../shared/data")}) {
    if (!folder.empty() && std::filesystem::exists(folder + "/rmkv-original"))
      return folder + "/rmkv-original/";
  }
  return "";
}

std::unique_ptr<RmkvModel> load_original(const std::string& stem, at::ScalarType dtype) {
  const Value json = parse_json(read_file(stem + ".json"), stem + ".json");
  auto model = std::make_unique<RmkvModel>(
      RmkvConfig::from_table(config_from_original(json.as_table())), 0, dtype, at::kCPU);
  model->parameters().load(
      parameters_from_original(read_safetensors(stem + ".safetensors").tensors));
  return model;
}

Tensor logits_of(RmkvModel& model, const Tensor& ids, State& state) {
  ForwardOptions options;
  return model.logits(model.forward(ids, state, options));
}

}  // namespace

TEST_CASE("published block reproduces the original program within 1e-5") {
  const std::string folder = fixture_folder();
  if (folder.empty()) {
    WARN("SKIPPED: data/rmkv-original is not here");
    return;
  }
  at::NoGradGuard no_grad;
  for (const char* cell : {"gru", "minimal"}) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      INFO(cell << " " << dtype_name(dtype));
      const std::string stem = folder + "tiny-" + cell;
      const auto model = load_original(stem, dtype);
      const auto expected = read_safetensors(stem + "-expected.safetensors").tensors;
      const Tensor ids = expected.at("ids");
      State state = model->initial_state(2);
      for (int64_t s = 0; s < 3; ++s) {
        const Tensor logits = logits_of(*model, ids.narrow(1, s * kLength, kLength), state);
        CHECK(difference(logits, expected.at("logits").narrow(1, s * kLength, kLength)) < 1e-5);
        CHECK(difference(state.get("memory"), expected.at("memory").select(1, s)) < 1e-5);
      }
      State at_once = model->initial_state(2);
      CHECK(difference(logits_of(*model, ids, at_once), expected.at("logits")) < 1e-5);
      CHECK(difference(at_once, state) < 1e-5);
    }
  }
}

TEST_CASE("published block leaks the future exactly as the original does") {
  const std::string folder = fixture_folder();
  if (folder.empty()) {
    WARN("SKIPPED: data/rmkv-original is not here");
    return;
  }
  at::NoGradGuard no_grad;
  for (const char* cell : {"gru", "minimal"}) {
    INFO(cell);
    const auto model = load_original(folder + "tiny-" + cell, at::kFloat);
    const auto expected =
        read_safetensors(folder + "tiny-" + cell + "-expected.safetensors").tensors;
    const Tensor ids = expected.at("ids").narrow(1, 0, kLength), changed = expected.at("leak_ids");
    REQUIRE(at::equal(ids.narrow(1, 0, kLength - 1), changed.narrow(1, 0, kLength - 1)));
    State one = model->initial_state(2), other = model->initial_state(2);
    const Tensor before = logits_of(*model, ids, one), after = logits_of(*model, changed, other);
    CHECK(difference(after, expected.at("leak_logits")) < 1e-5);
    const double leak =
        difference(before.narrow(1, 0, kLength - 1), after.narrow(1, 0, kLength - 1));
    CHECK(leak > 0.64 - 1e-3);
    CHECK(leak < 0.67 + 1e-3);
  }
}

TEST_CASE("published block: last row in pieces equals the whole segment, and it trains") {
  const Table config = Table{{"architecture", "rmkv"},
                             {"vocabulary", variants::kVocabulary},
                             {"channels", 16},
                             {"layers", 2},
                             {"heads", 2},
                             {"slots", 3},
                             {"segment_tokens", 6},
                             {"commit", "published"}};
  for (const char* cell : {"gru", "minimal"}) {
    INFO(cell);
    Table with_cell = config;
    with_cell["cell"] = cell;
    const auto model = variants::make_model(with_cell, 3, at::kDouble);
    CHECK_FALSE(model->facts().any_split);
    const Tensor tokens = variants::random_tokens(2, 18, 3);
    State whole = model->initial_state(2), pieces = model->initial_state(2);
    const Tensor expected = variants::run_in_pieces(*model, tokens, whole, {18}, at::kDouble);
    const Tensor stepped = variants::run_in_pieces(*model, tokens, pieces, {1}, at::kDouble);
    for (const int64_t last : {5, 11, 17}) {
      CHECK(difference(expected.select(1, last), stepped.select(1, last)) < 1e-10);
    }
    CHECK(difference(expected.select(1, 0), stepped.select(1, 0)) > 1e-6);  // no future seen yet
    CHECK(difference(whole, pieces) < 1e-10);

    State state = model->initial_state(2);
    const Tensor loss =
        model->forward(tokens, state, {}).square().sum() + state.get("memory").sum();
    loss.backward();
    for (const Parameter& parameter : model->parameters().all()) {
      INFO(parameter.name);
      if (parameter.name == "head.weight") continue;
      CHECK(parameter.value.grad().abs().max().item<double>() > 0);
    }
  }
}

TEST_CASE("published options that the original does not have are refused") {
  Table config{{"vocabulary", 9}, {"commit", "published"}, {"bridge", 4}};
  CHECK_THROWS_WITH(RmkvConfig::from_table(config),
                    Catch::Matchers::Contains("bridge") && Catch::Matchers::Contains("expected 0"));
  config = {{"vocabulary", 9}, {"commit", "published"}, {"cell", "lstm"}};
  CHECK_THROWS_WITH(RmkvConfig::from_table(config), Catch::Matchers::Contains("gru or minimal"));
}

TEST_CASE("an unknown tensor in an original checkpoint is named") {
  CHECK_THROWS_WITH(parameters_from_original({{"layers.0.surprise", at::zeros({1})}}),
                    Catch::Matchers::Contains("layers.0.surprise"));
}
