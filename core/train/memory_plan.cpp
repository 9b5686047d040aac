// See memory_plan.h.
#include "core/train/memory_plan.h"

#include <algorithm>

#include "core/kernels/loss.h"
#include "core/models/language_model.h"
#include "core/models/rmkv/activation_bytes.h"
#include "core/models/rmkv/rmkv_parameters.h"
#include "core/optim/muon.h"

namespace rmkv {
namespace {

// What the plan needs to know of a parameter.
struct Part {
  std::vector<int64_t> shape;
  int64_t elements;
  ParameterGroup group;
  bool copied;  // products read it in the dtype of computation: matrices, a head
};

std::vector<Part> rmkv_parts(const RmkvConfig& config) {
  std::vector<Part> parts;
  for (const ParameterSpec& spec : rmkv_parameter_specs(config)) {
    int64_t elements = 1;
    for (const int64_t size : spec.shape) elements *= size;
    const bool head = spec.group == ParameterGroup::kEmbedding && config.tie_head;
    parts.push_back(
        {spec.shape, elements, spec.group, head || spec.group == ParameterGroup::kMatrix});
  }
  return parts;
}

std::vector<Part> other_parts(const Table& config) {
  // Without initial values a model's large buffers are never written and take no memory.
  const auto model = create_model(config, std::nullopt);
  const Tensor head = model->head_weight();
  std::vector<Part> parts;
  for (const Parameter& parameter : model->parameters().all()) {
    const Tensor& value = parameter.value;
    const bool matrix = value.dim() == 2 && parameter.group == ParameterGroup::kMatrix;
    parts.push_back({value.sizes().vec(), value.numel(), parameter.group,
                     matrix || value.data_ptr() == head.data_ptr()});
  }
  return parts;
}

void plan_activations(const RmkvConfig& config, const MemoryPlanOptions& options,
                      MemoryPlan& plan) {
  const int64_t narrow = options.compute_dtype == at::kBFloat16 ? 2 : 4;
  const int64_t window = std::min(options.bptt, options.segments);
  const auto one = rmkv_activations(config, options.lanes, 1, narrow);
  const auto all = rmkv_activations(config, options.lanes, window, narrow);
  const int64_t rows = options.lanes * window * config.segment_tokens;
  const int64_t hidden = rows * config.channels * narrow;
  plan.segment_bytes = one.graph_bytes;
  // What is there when the head begins, and what backward needs beside it.
  const int64_t kept = options.replay ? hidden + window * one.border_bytes : all.graph_bytes;
  const int64_t working =
      options.replay ? one.graph_bytes + one.backward_bytes : all.backward_bytes;
  plan.activation_bytes = kept + working;
  plan.plain_activation_bytes = all.graph_bytes + all.backward_bytes;
  plan.replay_activation_bytes =
      hidden + window * one.border_bytes + one.graph_bytes + one.backward_bytes;
  // The gradients of the head and of the hidden rows live until backward takes them; the logits of
  // a chunk are gone before backward needs its own.
  const int64_t chunk =
      std::min(kernels::head_chunk_rows(config.vocabulary, narrow, options.chunk_rows), rows);
  plan.head_bytes = config.vocabulary * config.channels * 4 + hidden +
                    std::max<int64_t>(chunk * config.vocabulary * narrow - working, 0);
}

}  // namespace

MemoryPlan plan_memory(const Table& config, const MemoryPlanOptions& options) {
  MemoryPlan plan;
  const Value* architecture = find(config, "architecture");
  const bool planned = !architecture || *architecture == Value("rmkv");
  const Value* rows = find(config, "vocabulary");
  const int64_t vocabulary = rows ? rows->as_int() : 0;
  for (const Part& part :
       planned ? rmkv_parts(RmkvConfig::from_table(config)) : other_parts(config)) {
    plan.parameters += part.elements;
    if (options.muon && is_muon_matrix(part.group, part.shape, vocabulary)) {
      plan.moment_bytes += (options.state == kernels::MomentState::kFull ? 4 : 2) * part.elements;
    } else {
      plan.moment_bytes += kernels::moment_bytes(
          part.elements, 4, moment_state_of(part.group, part.elements, options.state));
    }
    if (options.compute_dtype == at::kBFloat16 && part.copied) plan.copy_bytes += 2 * part.elements;
  }
  plan.parameter_bytes = plan.gradient_bytes = 4 * plan.parameters;
  if (!planned) return plan;
  const RmkvConfig rmkv = RmkvConfig::from_table(config);
  const bool codes = rmkv.store && rmkv.store_keys == StoreKeys::kCodes;
  if (codes) plan.code_bytes = rmkv.vocabulary * rmkv.channels * 4;
  plan_activations(rmkv, options, plan);
  return plan;
}

}  // namespace rmkv
