// Tells checkpoint folders, run folders and files apart.
#include "core/checkpoint/model_loader.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/import_original.h"
#include "core/checkpoint/run_folder.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

// The tokenizer stands in the run's folder, beside its checkpoints, or inside a checkpoint that was
// moved out of it.
std::string find_tokenizer(const fs::path& checkpoint) {
  const fs::path real = fs::weakly_canonical(checkpoint);
  for (const fs::path& folder : {real, real.parent_path()}) {
    const fs::path file = folder / "tokenizer.json";
    if (path_exists(file.string())) return file.string();
  }
  return "";
}

std::string checkpoint_of_run(const std::string& path) {
  RunFolder run(path);
  if (auto latest = run.pointer("latest")) {
    if (checkpoint_damage(*latest, false).empty()) return *latest;
  }
  ResumeFacts facts = run.resume_facts();
  if (facts.newest) return facts.newest->path;
  if (!facts.damaged.empty()) {
    fail_because(path, "no whole checkpoint; the newest: " + facts.damaged[0].damage);
  }
  fail_because(
      path, "neither a checkpoint nor a run folder with one",
      "a checkpoint is a folder with manifest.json; a run folder holds rmkv_<mode>_step_<N>");
}

LoadedModel load_folder(const std::string& path, at::ScalarType dtype, at::Device device) {
  CheckpointContent content = load_checkpoint(path, CheckpointParts::kModel);
  LoadedModel loaded;
  // The seed only fills values that are overwritten.
  loaded.model = create_model(content.config, 0, dtype, device);
  loaded.model->parameters().load(content.model);
  loaded.path = path;
  loaded.tokenizer_path = find_tokenizer(path);
  loaded.facts = std::move(content.facts);
  return loaded;
}

}  // namespace

LoadedModel load_model(const std::string& path, at::ScalarType dtype, at::Device device) {
  if (!path_exists(path)) fail_because(path, "no such checkpoint");
  if (is_checkpoint(path)) return load_folder(path, dtype, device);
  if (is_folder(path)) return load_folder(checkpoint_of_run(path), dtype, device);
  ImportedModel imported = import_original(path);
  LoadedModel loaded;
  loaded.model = create_model(imported.config, 0, dtype, device);
  loaded.model->parameters().load(imported.tensors);
  loaded.path = path;
  return loaded;
}

}  // namespace rmkv
