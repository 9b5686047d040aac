// What every architecture shares, and the dispatch on its name.
#include "core/models/language_model.h"

#include "core/kernels/linear.h"
#include "core/models/microrwkv/microrwkv_config.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rwkv/rwkv_config.h"
#include "core/tensor/torch.h"

namespace rmkv {

std::unique_ptr<LanguageModel> create_rmkv(const Table& config, ParameterSeed seed,
                                           at::ScalarType parameter_dtype, at::Device device);
std::unique_ptr<LanguageModel> create_rwkv(const Table& config, ParameterSeed seed,
                                           at::ScalarType parameter_dtype, at::Device device);
std::unique_ptr<LanguageModel> create_microrwkv(const Table& config, ParameterSeed seed,
                                                at::ScalarType parameter_dtype, at::Device device);

Tensor LanguageModel::logits(const Tensor& hidden) {
  // The head reads what forward gave, in that dtype, and sums in fp32: bf16 logits would lose the
  // third digit.
  Tensor weight = head_weight();
  at::ScalarType dtype = weight.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return kernels::linear(hidden.to(dtype), weight);
}

Tensor LanguageModel::probe(const std::string& name, const State&) {
  fail_because(facts().architecture + ".probe", unknown_name_text("probe", name, probe_names()));
}

std::vector<std::string> LanguageModel::memory_names(const State&) const {
  return {};
}

namespace {

const std::vector<std::string> kArchitectures = {"rmkv",  "rwkv4", "rwkv5",
                                                 "rwkv6", "rwkv7", "microrwkv"};

[[noreturn]] void unknown_architecture(const std::string& name) {
  fail_because("model.architecture", unknown_name_text("architecture", name, kArchitectures));
}

}  // namespace

std::unique_ptr<LanguageModel> create_model(const Table& config, ParameterSeed seed,
                                            at::ScalarType parameter_dtype, at::Device device) {
  const Value* name = find(config, "architecture");
  if (!name || !name->is_string()) {
    fail("model.architecture", name ? name->type_name() : "nothing", "the name of an architecture");
  }
  if (name->as_string() == "rmkv") return create_rmkv(config, seed, parameter_dtype, device);
  if (is_rwkv_architecture(name->as_string())) {
    return create_rwkv(config, seed, parameter_dtype, device);
  }
  if (name->as_string() == "microrwkv") {
    return create_microrwkv(config, seed, parameter_dtype, device);
  }
  unknown_architecture(name->as_string());
}

Table preset_config(const std::string& architecture, const std::string& preset) {
  if (architecture == "rmkv") return rmkv_preset(preset);
  if (is_rwkv_architecture(architecture)) return rwkv_preset(architecture, preset);
  if (architecture == "microrwkv") return microrwkv_preset(preset);
  unknown_architecture(architecture);
}

std::vector<std::string> preset_names() {
  return {"tiny", "small", "base", "1b"};
}

}  // namespace rmkv
