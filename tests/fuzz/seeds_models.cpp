// Seeds of model files and checkpoints: tiny models of every version in every format.
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/toml.h"
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/weight_writer.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/checkpoint/content.h"
#include "tests/checkpoint/model_bytes.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/seeds.h"
#include "tests/temporary_folder.h"

namespace rmkv::fuzz {

namespace {

// The least model that a version allows: a few kilobytes.
RwkvConfig least_config(int64_t version, int64_t minor) {
  Table table{{"architecture", "rwkv" + std::to_string(version)},
              {"vocabulary", 3},
              {"channels", version == 4 ? 2 : 8},
              {"layers", version == 7 ? 2 : 1},
              {"ffn_hidden", 2}};
  if (version == 5) table["minor"] = "5." + std::to_string(minor);
  if (version > 4) table["head_size"] = 8;
  if (version == 6) table["mix_rank"] = 1;
  if (version == 6 || version == 7) table["decay_rank"] = 1;
  if (version == 7) {
    for (const char* name : {"rate_rank", "value_rank", "gate_rank"}) table[name] = 1;
  }
  return RwkvConfig::from_table(table);
}

WeightFile least_model(int64_t version, int64_t minor) {
  WeightFile file;
  file.config = least_config(version, minor);
  for (const RwkvParameter& parameter : rwkv_parameters(file.config)) {
    file.weights[parameter.name] = weight_of(at::full(parameter.shape, 0.5));
  }
  return file;
}

void put_versions() {
  TemporaryFolder folder;
  for (const auto& [version, minor] :
       std::vector<std::pair<int64_t, int64_t>>{{4, 0}, {5, 0}, {5, 1}, {5, 2}, {6, 0}, {7, 0}}) {
    const std::string name = "v" + std::to_string(version) + std::to_string(minor);
    const WeightFile file = least_model(version, minor);
    put_seed("toml", name, write_toml(file.config.to_table()));
    put_seed("json", name, write_json(file.config.to_table(), 1));
    const std::string path = folder / "x.safetensors";
    write_weight_file(path, file, {});
    put_seed("safetensors", name, read_file(path));
    const auto [pickle, archive] = test::pth_file(file);
    put_seed("pickle", name, pickle);
    put_seed("pth", name, archive);
    if (minor == 1) continue;  // ggmf has no version 5.1
    write_weight_file(folder / "x.bin", file, {.format = "ggmf"});
    put_seed("ggmf", name, read_file(folder / "x.bin"));
  }
}

void put_formats() {
  put_seed("pth", "mixed", some_pt_file());
  put_seed("pickle", "mixed",
           stream(dictionary({{"w", tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {1, 2})},
                              {"h", tensor(storage("HalfStorage", "1", 2), 1, {1}, {1})},
                              {"n", pickled(7)}})));
  const std::string block = std::string("\x00\x3c", 2) + std::string(16, '\x99');
  put_seed("ggmf", "blocks",
           test::ggmf_header(101, 3, 2, 1, 2) +
               test::ggmf_record("emb.weight", {3, 2}, 0, floats({1, 2, 3, 4, 5, 6})) +
               test::ggmf_record("blocks.0.ln1.weight", {2}, 0, floats({7, 8})) +
               test::ggmf_record("q", {1, 32}, 2, block));
  const test::Tensors tensors = {{"token_embd.weight", at::ones({3, 8})},
                                 {"output.weight", at::ones({3, 8}).to(at::kHalf)}};
  put_seed(
      "gguf", "names",
      test::gguf_file(
          {test::gguf_pair("general.architecture", 8, test::gguf_text("rwkv7")),
           test::gguf_pair("general.alignment", 4, little(32, 4)),
           test::gguf_pair("rwkv7.wkv.head_size", 4, little(8, 4)),
           test::gguf_pair("x.flag", 7, std::string(1, '\1')),
           test::gguf_pair("x.rate", 6, floats({0.5f})),
           test::gguf_pair("x.list", 9, little(5, 4) + little(2, 8) + little(1, 4) + little(2, 4))},
          tensors));
  put_seed("gguf", "none", test::gguf_file({}, {}));
}

void put_folders() {
  TemporaryFolder folder;
  write_safetensors(folder / "a", {{"rwkv.embeddings.weight", at::ones({3, 2})}});
  write_safetensors(folder / "b", {{"rwkv.blocks.0.ln1.weight", at::ones({2})}});
  put_seed("model_folder", "shards",
           joined({R"({"model_type": "rwkv", "num_heads": 2, "head_dim": 8, "norm_eps": 1e-5})",
                   R"({"metadata": {"total_size": 32}, "weight_map": {
                       "rwkv.embeddings.weight": "a.safetensors",
                       "rwkv.blocks.0.ln1.weight": "b.safetensors"}})",
                   read_file(folder / "a"), read_file(folder / "b")}));
  const CheckpointContent content = some_content(3);
  save_checkpoint(folder / "c", content);
  const auto part = [&](const char* name) { return read_file(folder / "c/" + name); };
  const std::string head =
      joined({part("config.toml"), part("cursor.json"), part("state.safetensors"),
              part("optimizer.safetensors"), part("model.safetensors")});
  put_seed("checkpoint", "whole", std::string(1, '\0') + head);
  put_seed("checkpoint", "manifest",
           std::string(1, '\1') +
               joined({part("config.toml"), part("manifest.json"), part("state.safetensors"),
                       part("optimizer.safetensors"), part("model.safetensors")}));
  put_seed("json", "manifest", part("manifest.json"));
  put_seed("json", "cursor", part("cursor.json"));
  put_seed("toml", "config", part("config.toml"));
  put_seed("toml", "kinds",
           "a = 1_000\nb = 0x1f\nc = [1.5, nan, inf, -inf]\nd = '''x\ny'''\n[t.u]\n\"k.k\" = "
           "\"\\u00e9\"\n[[v]]\nw = { x = true, y.z = [] }\n[[v]]\nwhen = 1979-05-27\n");
}

// Names and shapes of the original program (core/checkpoint/import_original.cpp), one layer.
void put_originals() {
  TemporaryFolder folder;
  constexpr int64_t V = 3, C = 4, M = 2;
  const std::string config = R"({"num_heads": 2})";
  for (const bool gru : {true, false}) {
    std::map<std::string, Tensor> tensors;
    const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
      tensors[name] = at::ones(shape);
    };
    const std::string layer = "layers.0.", cell = layer + "recurrent_cell.cell.";
    add("token_embed.weight", {V, C});
    add("head.weight", {V, C});
    add("initial_memory", {1, M, C});
    for (const char* table : {"rope.cos_cached", "rope.sin_cached"}) add(table, {M + 4, C / 2});
    for (const std::string norm : {"ln_final.", "layers.0.ln."}) {
      add(norm + "weight", {C});
      add(norm + "bias", {C});
    }
    for (const char* name : {"q", "k", "v", "out"}) {
      const std::string linear = layer + "qkv_block." + name + "_linear.";
      add(linear + "weight", {C, C});
      add(linear + "bias", {C});
    }
    add(layer + "attn_pool.query", {M, C});
    if (gru) {
      for (const char* end : {"weight_ih", "weight_hh"}) add(cell + end, {3 * C, C});
      for (const char* end : {"bias_ih", "bias_hh"}) add(cell + end, {3 * C});
    } else {
      add(cell + "linear.weight", {2 * C, 2 * C});
      add(cell + "linear.bias", {2 * C});
    }
    write_safetensors(folder / "m", tensors);
    put_seed("original", gru ? "gru" : "minimal", joined({config, read_file(folder / "m")}));
  }
  put_seed("original", "pt", joined({config, some_pt_file()}));
}

}  // namespace

void put_model_seeds() {
  put_versions();
  put_formats();
  put_folders();
  put_originals();
}

}  // namespace rmkv::fuzz
