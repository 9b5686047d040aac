// From translated names to a complete, checked set of weights.
#include "core/checkpoint/weight_file.h"

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/checkpoint/rwkv_names.h"
#include "core/checkpoint/weight_writer.h"
#include "core/tensor/tensor.h"

namespace rmkv {

namespace {

const RwkvNaming* naming_of(const StoredWeights& stored) {
  for (const RwkvNaming& naming : rwkv_namings()) {
    if (naming.fits(stored)) return &naming;
  }
  return nullptr;
}

// A configuration that this program wrote beside the weights settles everything.
RwkvConfig read_config(const StoredWeights& stored, const RwkvHints& hints,
                       const std::string& name) {
  const Value* own = find(stored.metadata, kConfigMetadata);
  if (own && own->is_string()) {
    return RwkvConfig::from_table(
        parse_json(own->as_string(), name + ": " + kConfigMetadata).as_table());
  }
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [key, weight] : stored.weights) shapes[key] = weight.shape;
  return detect_rwkv_config(shapes, hints);
}

// The shape of the model; a file may have it with further ones, or a vector instead of [H, N].
WeightTensor fitted(const WeightTensor& weight, const std::vector<int64_t>& shape,
                    const std::string& where) {
  if (weight.shape == shape) return weight;
  std::vector<int64_t> found, wanted;
  for (const int64_t size : weight.shape) {
    if (size != 1) found.push_back(size);
  }
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size != 1) wanted.push_back(size);
    count *= size;
  }
  // A matrix that is turned has as many values too: only vectors may change their form.
  const bool vector = found.size() <= 1 && weight.count() == count;
  if (found != wanted && !vector) fail(where, weight_text(weight), shape_text(shape));
  return reshaped(weight, shape);
}

}  // namespace

bool is_rwkv(const StoredWeights& stored) {
  return naming_of(stored) != nullptr;
}

WeightFile import_rwkv(StoredWeights stored, const std::string& name) {
  const RwkvNaming* naming = naming_of(stored);
  if (!naming) {
    std::string first =
        stored.weights.empty() ? "no tensors" : "'" + stored.weights.begin()->first + "'";
    fail(name, "tensors named otherwise (" + first + ")",
         "an RWKV model in the names of RWKV-LM, rwkv.cpp, llama.cpp, transformers, "
         "flash-linear-attention or web-rwkv");
  }
  RwkvHints hints;
  naming->translate(stored, hints, name);
  WeightFile file;
  file.format = stored.format;
  file.names = naming->name;
  file.metadata = std::move(stored.metadata);
  stored.metadata = file.metadata;
  try {
    file.config = read_config(stored, hints, name);
  } catch (const Error& error) {
    // What it says is about the file.
    throw Error(name + ": " + error.what());
  }
  for (const RwkvParameter& parameter : rwkv_parameters(file.config)) {
    auto found = stored.weights.find(parameter.name);
    if (found == stored.weights.end()) {
      if (parameter.optional) continue;
      fail(name, "no tensor '" + parameter.name + "'",
           "it in a model of " + file.config.architecture());
    }
    file.weights[parameter.name] =
        fitted(found->second, parameter.shape, name + ": tensor '" + parameter.name + "'");
    stored.weights.erase(found);
  }
  if (!stored.weights.empty()) {
    fail(name, "an unknown tensor '" + stored.weights.begin()->first + "'",
         "those of " + file.config.architecture());
  }
  return file;
}

WeightFile read_weight_file(const std::string& path) {
  return import_rwkv(read_stored_weights(path), path);
}

}  // namespace rmkv
