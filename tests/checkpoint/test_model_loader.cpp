// Loading for inference: checkpoints, run folders, and files of the original program with its own
// results.
#include "core/checkpoint/model_loader.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/checkpoint/import_original.h"
#include "core/checkpoint/run_folder.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

CheckpointContent content_of(LanguageModel& model, int64_t step) {
  CheckpointContent content;
  content.config = model.config();
  content.model = model.parameters().named_values();
  content.facts = {{"mode", "pretrain"}, {"step", step}};
  return content;
}

Table small_config() {
  return {{"architecture", "rmkv"},
          {"vocabulary", 20},
          {"channels", 8},
          {"layers", 1},
          {"heads", 2},
          {"slots", 2},
          {"segment_tokens", 4}};
}

Tensor logits_of(LanguageModel& model) {
  at::NoGradGuard no_grad;
  State state = model.initial_state(1);
  return model.logits(model.forward(at::arange(8).view({1, 8}), state, {}));
}

}  // namespace

TEST_CASE("a saved model gives the same logits from checkpoint and run folder", "[loader]") {
  TemporaryFolder folder;
  auto model = create_model(small_config(), 5);
  RunFolder run(folder / "run");
  run.save(content_of(*model, 3), {});
  const std::string checkpoint = run.save(content_of(*model, 4), {});
  write_file_atomic((run.path() + "/tokenizer.json"), "{}");
  for (const std::string& path :
       {checkpoint, checkpoint + "/", run.path(), run.path() + "/latest"}) {
    LoadedModel loaded = load_model(path);
    CHECK(at::equal(logits_of(*loaded.model), logits_of(*model)));
    CHECK(std::filesystem::equivalent(loaded.tokenizer_path, (run.path() + "/tokenizer.json")));
    CHECK(find(loaded.facts, "step")->as_int() == 4);
  }
  // The newest is damaged: the one before it serves.
  std::filesystem::remove(checkpoint + "/model.safetensors");
  CHECK(find(load_model(run.path()).facts, "step")->as_int() == 3);
  CHECK_THROWS_WITH(load_model(checkpoint), Contains("model.safetensors"));
}

TEST_CASE("what is no model is refused with the reason", "[loader]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(load_model(folder / "none"), Contains("no such checkpoint"));
  CHECK_THROWS_WITH(load_model(folder.path()), Contains("neither a checkpoint nor a run folder"));
  // Sizes of a hostile configuration are not allocated.
  write_safetensors(folder / "h.safetensors", {{"x", at::ones({2})}},
                    {{"rmkv.config", R"({"architecture": "rmkv", "vocabulary": 1000000,
                                         "channels": 65536, "layers": 1000})"}});
  CHECK_THROWS_WITH(load_model(folder / "h.safetensors"),
                    Contains("h.safetensors") && Contains("the 2 values in it"));
  write_file_atomic(folder / "t.pt", some_pt_file());
  CHECK_THROWS_WITH(load_model(folder / "t.pt"), Contains("original RMKV"));
}

TEST_CASE("the original's checkpoints compute what the original computed", "[loader]") {
  if (shared_data("rmkv-original").empty()) {
    WARN("SKIPPED: no ../shared/data/rmkv-original");
    return;
  }
  for (const char* name : {"tiny-gru", "tiny-minimal"}) {
    const std::string base = shared_data("rmkv-original") + "/" + name;
    auto expected = read_safetensors(base + "-expected.safetensors").tensors;
    for (const char* ending : {".pt", ".safetensors"}) {
      LoadedModel loaded = load_model(base + ending);
      at::NoGradGuard no_grad;
      State state = loaded.model->initial_state(2);
      std::vector<Tensor> logits;
      for (int64_t s = 0; s < 3; ++s) {
        const Tensor ids = expected["ids"].narrow(1, 12 * s, 12);
        logits.push_back(loaded.model->logits(loaded.model->forward(ids, state, {})));
        CHECK(at::allclose(state.get("memory"), expected["memory"].select(1, s), 0, 1e-5));
      }
      CHECK(at::allclose(at::cat(logits, 1), expected["logits"], 0, 1e-5));
    }
  }
}

TEST_CASE("heads must be told, shapes must fit", "[loader]") {
  const std::string source = shared_data("rmkv-original/tiny-gru.safetensors");
  if (source.empty()) {
    WARN("SKIPPED: no ../shared/data/rmkv-original");
    return;
  }
  TemporaryFolder folder;
  auto tensors = read_safetensors(source).tensors;
  const std::string path = folder / "m.safetensors";
  write_safetensors(path, tensors);
  CHECK_THROWS_WITH(import_original(path),
                    Contains("number of attention heads") && Contains("m.json"));
  write_file_atomic(folder / "m.json", "{\"num_heads\": 5}");
  CHECK_THROWS_WITH(import_original(path), Contains("5 heads"));
  write_file_atomic(folder / "m.json", "{\"num_heads\": 4}");
  CHECK(import_original(path).tensors.size() == 38);
  auto bad = tensors;
  bad["layers.1.attn_pool.query"] = at::zeros({5, 31});
  write_safetensors(path, bad);
  CHECK_THROWS_WITH(import_original(path),
                    Contains("layers.1.attn_pool.query") && Contains("[5, 32]"));
  bad = tensors;
  bad["layers.1.extra"] = at::zeros({1});
  write_safetensors(path, bad);
  CHECK_THROWS_WITH(import_original(path), Contains("layers.1.extra"));
  bad = tensors;
  bad.erase("ln_final.bias");
  write_safetensors(path, bad);
  CHECK_THROWS_WITH(import_original(path), Contains("ln_final.bias"));
}
