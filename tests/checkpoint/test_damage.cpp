// Damaged model files and checkpoints are refused by name or read, nothing else.
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/import_original.h"
#include "core/checkpoint/pickle.h"
#include "core/checkpoint/pt_file.h"
#include "core/checkpoint/weight_writer.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/checkpoint/content.h"
#include "tests/checkpoint/model_bytes.h"
#include "tests/damage.h"
#include "tests/fuzz/scratch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using rmkv::test::try_damage;

namespace {

// The least model of version 4 and of version 7.
WeightFile least_model(int64_t version) {
  Table table{{"architecture", "rwkv" + std::to_string(version)},
              {"vocabulary", 3},
              {"channels", version == 4 ? 2 : 8},
              {"layers", 1},
              {"ffn_hidden", 2}};
  if (version == 7) {
    table["head_size"] = 8;
    for (const char* name : {"decay_rank", "rate_rank", "value_rank", "gate_rank"}) table[name] = 1;
  }
  WeightFile file;
  file.config = RwkvConfig::from_table(table);
  for (const RwkvParameter& parameter : rwkv_parameters(file.config)) {
    file.weights[parameter.name] = weight_of(at::full(parameter.shape, 0.5));
  }
  return file;
}

// Reads a model file as recipes do, but for the checksums of an archive, which would refuse every
// change before anything else is seen.
void read_model(const std::string& bytes, const std::string& name) {
  StoredWeights stored = bytes.substr(0, 2) == "PK"
                             ? parse_pth_weights(bytes, nullptr, name, /*check_crc=*/false)
                             : parse_stored_weights(bytes, nullptr, name);
  for (const auto& [key, weight] : import_rwkv(std::move(stored), name).weights) weight.to_float();
}

}  // namespace

TEST_CASE("damaged .pt files and pickles", "[damage]") {
  CHECK(try_damage(some_pt_file(), "t.pt", 10000, [](const std::string& s) {
          parse_pt(s, "t.pt");
        }).refused > 5000);
  // Without the checksums of the archive in the way.
  const std::string body = stream(dictionary(
      {{"w", tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})}, {"n", pickled(3)}}));
  CHECK(try_damage(body, "t.pkl", 20000, [](const std::string& s) {
          parse_pickle(s, "t.pkl");
        }).refused > 5000);
}

TEST_CASE("damaged model files of every format", "[damage]") {
  TemporaryFolder folder;
  for (const int64_t version : {4, 7}) {
    const WeightFile file = least_model(version);
    write_weight_file(folder / "m.safetensors", file, {});
    WriteOptions ggmf;
    ggmf.format = "ggmf";
    write_weight_file(folder / "m.bin", file, ggmf);
    for (const std::string& whole : {read_file(folder / "m.safetensors"),
                                     read_file(folder / "m.bin"), test::pth_file(file).second}) {
      const auto counts = try_damage(whole, "model.x", 2000,
                                     [](const std::string& s) { read_model(s, "model.x"); });
      CHECK(counts.refused > 1000);
    }
  }
  const std::string gguf = test::gguf_file(
      {test::gguf_pair("general.architecture", 8, test::gguf_text("rwkv7")),
       test::gguf_pair("x.list", 9, little(5, 4) + little(2, 8) + little(1, 4) + little(2, 4))},
      {{"token_embd.weight", at::ones({3, 8})}, {"x", at::ones({2}).to(at::kHalf)}});
  const auto counts = try_damage(gguf, "model.gguf", 3000, [](const std::string& s) {
    for (const auto& [key, weight] : parse_gguf_weights(s, nullptr, "model.gguf").weights) {
      weight.to_float();
    }
  });
  CHECK(counts.refused > 1000);
}

TEST_CASE("damaged indexes of shards and configurations beside them", "[damage]") {
  const fuzz::Scratch scratch;
  TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", at::ones({2})}});
  scratch.write("a.safetensors", read_file(folder / "a"));
  const std::string index = R"({"metadata": {}, "weight_map": {"x": "a.safetensors"}})";
  const std::string config = R"({"model_type": "rwkv", "norm_eps": 1e-5})";
  const auto read = [&](const std::string&) { read_stored_weights(scratch.path()); };
  scratch.write("config.json", config);
  try_damage(index, scratch.path(), 2000,
             [&](const std::string& s) { read(scratch.write("model.safetensors.index.json", s)); });
  scratch.write("model.safetensors.index.json", index);
  try_damage(config, "config.json", 1000,
             [&](const std::string& s) { read(scratch.write("config.json", s)); });
}

TEST_CASE("damaged safetensors, manifests and cursors", "[damage]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(3));
  const std::string tensors = read_file(folder / "c/state.safetensors");
  CHECK(try_damage(tensors, "t.x", 10000, [](const std::string& s) {
          parse_safetensors(s, "t.x");
        }).refused > 3000);
  // A whole checkpoint of which one file is damaged, read from memory.
  const fuzz::Scratch scratch;
  for (const std::string& name : list_folder(folder / "c")) {
    scratch.write(name, read_file(folder / ("c/" + name)));
  }
  for (const char* name : {"manifest.json", "cursor.json", "config.toml", "state.safetensors"}) {
    const std::string whole = read_file(scratch.path(name));
    const auto counts = try_damage(whole, scratch.path(), 500, [&](const std::string& s) {
      scratch.write(name, s);
      load_checkpoint(scratch.path());
    });
    // The manifest's hashes find every change but the one that changes nothing.
    CHECK(counts.refused > 500);
    scratch.write(name, whole);
  }
}

TEST_CASE("damaged files of the original program", "[damage]") {
  const fuzz::Scratch scratch;
  TemporaryFolder folder;
  write_safetensors(folder / "m", {{"token_embed.weight", at::ones({3, 4})},
                                   {"initial_memory", at::ones({1, 2, 4})}});
  const std::string path = scratch.write("m.safetensors", read_file(folder / "m"));
  std::mt19937 random(5);
  // Never a whole model: each is refused, by its name.
  for (int round = 0; round < 1000; ++round) {
    scratch.write("m.safetensors", test::damaged(read_file(folder / "m"), random));
    CHECK_THROWS_WITH(import_original(path), Catch::Matchers::Contains("m.safetensors"));
  }
}
