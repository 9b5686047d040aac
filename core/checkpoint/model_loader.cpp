// Tells checkpoint folders, run folders and files apart.
#include "core/checkpoint/model_loader.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/import_original.h"
#include "core/checkpoint/run_folder.h"
#include "core/checkpoint/weight_writer.h"
#include "core/kernels/cpu/parallel.h"
#include "core/models/rwkv/engine.h"
#include "core/models/rwkv/rwkv_model.h"
#include "core/tensor/torch.h"

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

std::optional<WeightType> engine_type(const LoadOptions& options) {
  if (options.weights == "stored" || options.weights == "auto") return std::nullopt;
  return parse_weight_type(options.weights);
}

std::unique_ptr<LanguageModel> make_engine(const RwkvConfig& config, const WeightMap& weights,
                                           const LoadOptions& options) {
  if (options.device.type() != at::kCPU) {
    fail("weights", "packed weights on " + device_name(options.device), "the CPU",
         "without `weights` the model runs on that device");
  }
  std::optional<WeightType> head;
  if (!options.head.empty()) head = parse_weight_type(options.head);
  return make_rwkv_engine(config, weights, engine_type(options), options.threads, head);
}

bool wants_engine(const LoadOptions& options) {
  if (options.weights == "auto") return options.device.type() == at::kCPU;
  return !options.weights.empty();
}

void need_trainable(const std::string& path, const LoadOptions& options) {
  if (!options.weights.empty() && options.weights != "auto") {
    fail(path, "packed weights (" + options.weights + ") for another architecture", "RWKV");
  }
}

bool is_rwkv_config(const Table& config) {
  const Value* name = find(config, "architecture");
  return name && name->is_string() && is_rwkv_architecture(name->as_string());
}

// A configuration may name any sizes: what the stored values cannot fill is refused before a model
// of it is made.  Every model has an embedding and at least one square map a layer.
void check_sizes(const Table& config, int64_t stored_values, const std::string& path) {
  const auto size = [&](const char* key) {
    const Value* value = find(config, key);
    return value && value->is_number() ? value->as_double() : 0.0;
  };
  const double vocabulary = size("vocabulary"), channels = size("channels");
  if (channels * (vocabulary + size("layers") * channels) > static_cast<double>(stored_values)) {
    fail(path, Value(config).to_text(),
         "a configuration that the " + std::to_string(stored_values) + " values in it can fill");
  }
}

WeightFile weights_of(const CheckpointContent& content) {
  WeightFile file;
  file.format = "checkpoint";
  file.names = "rwkv";
  file.config = RwkvConfig::from_table(content.config);
  for (const auto& [name, tensor] : content.model) file.weights[name] = weight_of(tensor);
  return file;
}

LoadedModel load_folder(const std::string& path, const LoadOptions& options) {
  CheckpointContent content = load_checkpoint(path, CheckpointParts::kModel);
  LoadedModel loaded;
  loaded.path = path;
  loaded.format = "checkpoint";
  loaded.tokenizer_path = find_tokenizer(path);
  loaded.facts = std::move(content.facts);
  if (is_rwkv_config(content.config) && wants_engine(options)) {
    const WeightFile file = weights_of(content);
    loaded.model = make_engine(file.config, file.weights, options);
    return loaded;
  }
  need_trainable(path, options);
  int64_t stored_values = 0;
  for (const auto& entry : content.model) stored_values += entry.second.numel();
  check_sizes(content.config, stored_values, path);
  loaded.model = create_model(content.config, {}, options.parameter_dtype, options.device);
  loaded.model->parameters().load(content.model);
  return loaded;
}

// Straight from the mapped file into a parameter.
void copy_weight(const WeightTensor& weight, Tensor& to) {
  if (!to.is_cpu() || to.scalar_type() != at::kFloat) {
    to.copy_(weight.to_float());
    return;
  }
  float* values = to.mutable_data_ptr<float>();
  kernels::cpu::parallel_for(weight.rows(), kernels::cpu::grain_of(weight.columns()),
                             [&](int64_t first, int64_t last) {
                               weight.rows_to_float(first, last, values + first * weight.columns());
                             });
}

std::unique_ptr<LanguageModel> make_trainable(const WeightFile& file, const LoadOptions& options) {
  auto model = std::make_unique<RwkvModel>(file.config, ParameterSeed(), options.parameter_dtype,
                                           options.device);
  // What is not in the file stays zero.
  auto parameter = model->parameters().all().begin();
  model->parameters().fill([&](Tensor& value) {
    const auto found = file.weights.find((parameter++)->name);
    if (found != file.weights.end()) copy_weight(found->second, value);
  });
  return model;
}

LoadedModel load_file(const std::string& path, const LoadOptions& options) {
  LoadedModel loaded;
  loaded.path = path;
  StoredWeights stored = read_stored_weights(path);
  if (is_rwkv(stored)) {
    const WeightFile file = import_rwkv(std::move(stored), path);
    loaded.format = file.format;
    loaded.names = file.names;
    loaded.model = wants_engine(options) ? make_engine(file.config, file.weights, options)
                                         : make_trainable(file, options);
    return loaded;
  }
  need_trainable(path, options);
  // A model of this program that Model:save has written.
  const Value* own = find(stored.metadata, kConfigMetadata);
  if (own && own->is_string()) {
    loaded.format = stored.format;
    loaded.names = "rmkv";
    const Value config = parse_json(own->as_string(), path);
    int64_t stored_values = 0;
    for (const auto& entry : stored.weights) stored_values += entry.second.count();
    check_sizes(config.as_table(), stored_values, path);
    loaded.model = create_model(config.as_table(), {}, options.parameter_dtype, options.device);
    std::map<std::string, Tensor> values;
    for (const auto& [name, weight] : stored.weights) values[name] = weight.to_float();
    loaded.model->parameters().load(values);
    return loaded;
  }
  if (is_folder(path)) {
    fail_because(path, "neither an RWKV model nor a checkpoint (no manifest.json)",
                 "a checkpoint whose save was cut off is not whole: name another of the run");
  }
  const ImportedModel imported = import_original(path);
  loaded.format = "original";
  loaded.names = "rmkv";
  loaded.model = create_model(imported.config, {}, options.parameter_dtype, options.device);
  loaded.model->parameters().load(imported.tensors);
  return loaded;
}

// A folder as Hugging Face's tools write it.
bool is_weight_folder(const std::string& path) {
  for (const char* name : {"model.safetensors.index.json", "model.safetensors", "config.json"}) {
    if (path_exists((fs::path(path) / name).string())) return true;
  }
  return false;
}

}  // namespace

LoadedModel load_model(const std::string& path, const LoadOptions& options) {
  if (!path_exists(path)) fail_because(path, "no such checkpoint");
  if (!is_folder(path)) return load_file(path, options);
  if (is_checkpoint(path)) return load_folder(path, options);
  if (is_weight_folder(path)) return load_file(path, options);
  return load_folder(checkpoint_of_run(path), options);
}

WeightFile load_rwkv_weights(const std::string& path) {
  if (!path_exists(path)) fail_because(path, "no such model file");
  const bool weights = !is_folder(path) || (!is_checkpoint(path) && is_weight_folder(path));
  if (weights) return read_weight_file(path);
  CheckpointContent content = load_checkpoint(is_checkpoint(path) ? path : checkpoint_of_run(path),
                                              CheckpointParts::kModel);
  if (!is_rwkv_config(content.config)) fail(path, "a checkpoint of another model", "one of RWKV");
  return weights_of(content);
}

}  // namespace rmkv
