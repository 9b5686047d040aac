// Model files written and read back; what a format cannot hold is refused.
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/weight_writer.h"
#include "tests/catch.h"
#include "tests/models/synthetic_rwkv.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using namespace rmkv::test;
using Catch::Matchers::Contains;

namespace {

WeightFile synthetic(int64_t version, int64_t minor = 2) {
  WeightFile file;
  file.format = "test";
  file.config = synthetic_rwkv_config(version, minor);
  file.weights = synthetic_rwkv_weights(file.config);
  return file;
}

std::string text_of(const RwkvConfig& config) {
  return Value(config.to_table()).to_text();
}

double difference(const WeightFile& a, const WeightFile& b) {
  REQUIRE(a.weights.size() == b.weights.size());
  double worst = 0;
  for (const auto& [name, weight] : a.weights) {
    const WeightTensor& other = b.weights.at(name);
    REQUIRE(other.shape == weight.shape);
    worst = std::max(worst, (weight.to_float() - other.to_float()).abs().max().item<double>());
  }
  return worst;
}

}  // namespace

TEST_CASE("every version survives safetensors and ggmf", "[writer]") {
  TemporaryFolder folder;
  for (const auto& [version, minor] :
       std::vector<std::pair<int64_t, int64_t>>{{4, 0}, {5, 0}, {5, 1}, {5, 2}, {6, 0}, {7, 0}}) {
    INFO("rwkv" << version << "." << minor);
    WeightFile file = synthetic(version, minor);
    for (const char* type : {"", "fp16"}) {
      // Exact in every float type: the synthetic values are.
      WriteOptions options;
      if (*type) options.type = parse_weight_type(type);
      write_weight_file(folder / "x.safetensors", file, options);
      const WeightFile plain = read_weight_file(folder / "x.safetensors");
      CHECK(text_of(plain.config) == text_of(file.config));
      CHECK(difference(plain, file) == 0);
      CHECK(plain.weights.at("head.weight").type == (*type ? WeightType::F16 : WeightType::F32));
      if (version == 5 && minor == 1) continue;
      options.format = "ggmf";
      write_weight_file(folder / "x.bin", file, options);
      const WeightFile upstream = read_weight_file(folder / "x.bin");
      RwkvConfig expected = file.config;
      if (version == 5) expected.group_norm_epsilon = 1e-5;
      CHECK(text_of(upstream.config) == text_of(expected));
      // Decays of versions 4 and 5 pass through an exponential.
      CHECK(difference(upstream, file) <= (version <= 5 ? 1e-6 : 0));
    }
  }
}

TEST_CASE("a model that is too large for one file becomes shards with an index", "[writer]") {
  TemporaryFolder folder;
  const WeightFile file = synthetic(7);
  WriteOptions options;
  options.shard_bytes = 100'000;
  uint64_t last = 0, total = 0;
  options.progress = [&](uint64_t written, uint64_t all) {
    CHECK(written > last);
    last = written;
    total = all;
  };
  const auto paths = write_weight_file(folder / "m.safetensors", file, options);
  CHECK(last == total);
  REQUIRE(paths.size() > 5);
  CHECK_THAT(paths[0], Contains("m-00001-of-000"));
  CHECK(paths.back() == folder / "m.safetensors.index.json");
  for (size_t i = 0; i + 1 < paths.size(); ++i) CHECK(file_size_bytes(paths[i]) < 120'000);
  const WeightFile back = read_weight_file(paths.back());
  CHECK(text_of(back.config) == text_of(file.config));
  CHECK(difference(back, file) == 0);
}

TEST_CASE("quantised ggmf keeps what must stay exact", "[writer]") {
  TemporaryFolder folder;
  const WeightFile file = synthetic(7);
  for (const char* type : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
    INFO(type);
    WriteOptions options{.format = "ggmf", .type = parse_weight_type(type), .progress = {}};
    write_weight_file(folder / "q.bin", file, options);
    const WeightFile back = read_weight_file(folder / "q.bin");
    CHECK(back.weights.at("blocks.1.att.key.weight").type == parse_weight_type(type));
    CHECK(back.weights.at("blocks.1.ffn.value.weight").type == parse_weight_type(type));
    for (const char* name : {"emb.weight", "head.weight", "blocks.1.att.w1", "blocks.1.att.g2",
                             "blocks.1.att.r_k", "blocks.1.att.x_g", "ln_out.weight"}) {
      INFO(name);
      CHECK(back.weights.at(name).type == WeightType::F32);
      CHECK(at::equal(back.weights.at(name).to_float(), file.weights.at(name).to_float()));
    }
    CHECK(difference(back, file) < 0.04);  // half a step of values within 0.25
  }
}

TEST_CASE("what a format cannot hold is refused, and nothing is written", "[writer]") {
  TemporaryFolder folder;
  WriteOptions ggmf{.format = "ggmf", .type = {}, .progress = {}};
  CHECK_THROWS_WITH(write_weight_file(folder / "x", synthetic(5, 1), ggmf), Contains("5.1"));
  ggmf.type = WeightType::BF16;
  CHECK_THROWS_WITH(write_weight_file(folder / "x", synthetic(4), ggmf), Contains("bf16"));
  WriteOptions plain{.format = "safetensors", .type = WeightType::Q8_0, .progress = {}};
  CHECK_THROWS_WITH(write_weight_file(folder / "x", synthetic(4), plain), Contains("q8_0"));
  plain.format = "ggml";
  CHECK_THROWS_WITH(write_weight_file(folder / "x", synthetic(4), plain),
                    Contains("did you mean 'ggmf'"));
  CHECK(list_folder(folder.path()).empty());
}

TEST_CASE("rwkv.cpp's own files, read and written again, are the same bytes", "[writer]") {
  if (shared_data("rwkv").empty()) {
    WARN("SKIPPED: no ../shared/data/rwkv");
    return;
  }
  TemporaryFolder folder;
  for (const char* name : {"tiny-rwkv-5v1-730K-FP32.bin", "tiny-rwkv-7v0-834K-FP32.bin"}) {
    const std::string path = shared_data(std::string("rwkv/") + name);
    write_weight_file(folder / "x.bin", read_weight_file(path),
                      {.format = "ggmf", .type = {}, .progress = {}});
    INFO(name);
    CHECK(read_file(folder / "x.bin") == read_file(path));
  }
}
