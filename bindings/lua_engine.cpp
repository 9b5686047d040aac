// Module rmkv.engine: inference engines for measuring, and what the machine under them can do.
//
// Engines of real weights come from rmkv.model.load.
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "core/checkpoint/weight_writer.h"
#include "core/kernels/cpu/machine_probe.h"
#include "core/models/rwkv/engine.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

int write_random(Call& c) {
  std::string weights = "fp32";
  int64_t seed = 0;
  const Table options = c.table(3);  // the reader looks into it
  OptionReader reader(options, c.function.name);
  reader.read("weights", weights, weight_type_names());
  reader.read("seed", seed, 0);
  reader.finish();
  const WeightType type = parse_weight_type(weights);
  const bool blocks = is_quantized(type);
  WeightFile file;
  file.config = RwkvConfig::from_table(c.table(1));
  file.weights = random_rwkv_weights(file.config, static_cast<uint64_t>(seed),
                                     blocks ? WeightType::F16 : type);
  WriteOptions how;
  how.format = blocks ? "ggmf" : "safetensors";
  if (blocks) how.type = type;
  how.shard_bytes = INT64_MAX;
  write_weight_file(c.string(2), file, how);
  return 0;
}

int facts(Call& c) {
  const auto& model = c.object<LanguageModel>(1);
  if (!is_rwkv_engine(model)) return c.absent("a model for training");
  const EngineFacts facts = rwkv_engine_facts(model);
  return c.push(Value(Table{{"step_bytes", facts.step_bytes},
                            {"prefill_multiplications", facts.prefill_multiplications},
                            {"weight_bytes", facts.weight_bytes},
                            {"threads", static_cast<int64_t>(facts.threads)}}));
}

// As a session decodes: without tensors where the model can.
int decode(Call& c) {
  auto& model = c.object<LanguageModel>(1);
  const int64_t count = c.integer(2);
  const bool general = c.boolean(3, false);
  const ModelFacts& facts = model.facts();
  at::NoGradGuard no_grad;
  State state = model.initial_state(1);
  std::vector<float> hidden(static_cast<size_t>(facts.channels));
  std::vector<float> logits(static_cast<size_t>(facts.vocabulary));
  double started = 0;
  for (int64_t i = -1; i < count; ++i) {
    if (i == 0) started = monotonic_seconds();
    const int64_t token = (7 * (i + 1) + 3) % facts.vocabulary;
    if (!general && model.step(token, state, {}, hidden.data()) &&
        model.step_logits(hidden.data(), logits.data())) {
      continue;
    }
    model.logits(model.forward(at::full({1, 1}, token, at::kLong), state, {}));
  }
  return c.push(monotonic_seconds() - started);
}

int machine(Call& c) {
  const int threads = static_cast<int>(c.integer(1, 1));
  const kernels::cpu::ArithmeticPeak peak = kernels::cpu::arithmetic_peak(threads);
  return c.push(Value(Table{{"read_bandwidth", kernels::cpu::read_bandwidth(threads)},
                            {"fp32", peak.fp32},
                            {"bf16", peak.bf16},
                            {"int8", peak.int8}}));
}

}  // namespace

Module engine_module() {
  const Field options{
      "options",
      "options?",
      "",
      "",
      -HUGE_VAL,
      HUGE_VAL,
      "",
      {{"weights", "string?", "fp32, fp16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0", "\"fp32\""},
       {"seed", "integer?", "of the weights", "0", 0, 9007199254740992.0}}};
  return {
      .name = "rmkv.engine",
      .doc = "inference engines of random weights, for measuring",
      .functions = {
          {.name = "rmkv.engine.write_random",
           .doc = "Writes a model file of an RWKV shape with random weights: safetensors, of "
                  "blocks rwkv.cpp's format.",
           .args = {{"config", "table", "as for rmkv.model.create"},
                    {"path", "string", ""},
                    options},
           .returns = {},
           .call = write_random,
           .errors = "on an unknown key, or a value out of range"},
          {.name = "rmkv.engine.facts",
           .doc = "Returns what an engine reads and holds; nil for a model for training.",
           .args = {{"model", "Model", ""}},
           .returns = {{"", "table?",
                        "step_bytes (weights read for a token and its logits), "
                        "prefill_multiplications (a token without logits), weight_bytes, threads"},
                       {"message", "string?", ""}},
           .call = facts},
          {.name = "rmkv.engine.decode",
           .doc = "Decodes some tokens from an empty state, each with its logits, and returns the "
                  "seconds; one token before them is not counted.",
           .args = {{"model", "Model", ""},
                    {"tokens", "integer", "", "", 1, 1e9},
                    {"general", "boolean?",
                     "by the form that takes any block, not the one for single tokens", "false"}},
           .returns = {{"", "number", "seconds"}},
           .call = decode},
          {.name = "rmkv.engine.machine",
           .doc = "Measures the machine: takes about half a second.",
           .args = {{"threads", "integer?", "", "1", 1, 1024}},
           .returns = {{"", "table",
                        "read_bandwidth in bytes a second; fp32, bf16, int8: additions and "
                        "multiplications a second"}},
           .call = machine},
      }};
}

}  // namespace rmkv::lua
