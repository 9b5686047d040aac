// Module rmkv.train: training steps, evaluation, scores.
#include <cmath>
#include <limits>

#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "core/optim/adamw.h"
#include "core/tensor/torch.h"
#include "core/train/evaluate.h"
#include "core/train/memory_plan.h"
#include "core/train/score.h"

namespace rmkv::lua {

template <>
const Class& class_of<Trainer>() {
  static const Class type{
      "Trainer", "training steps over the segments of batches, with the memory of the lanes"};
  return type;
}
template <>
const Class& class_of<StepReport>() {
  static const Class type{
      "StepReport",
      "what a step found; reading loss, gradient_norm or skipped waits for the device"};
  return type;
}

namespace {

// A trainer refers to both: it keeps them alive.
struct TrainerHolder {
  TrainerHolder(std::shared_ptr<LanguageModel> m, std::shared_ptr<Optimizer> o, uint64_t seed)
      : model(std::move(m)), optimizer(std::move(o)), trainer(*model, *optimizer, seed) {}
  std::shared_ptr<LanguageModel> model;
  std::shared_ptr<Optimizer> optimizer;
  Trainer trainer;
};

int trainer(Call& c) {
  Table table = c.table(3);
  const Value* seed = find(table, "seed");
  auto optimizer = c.shared<Optimizer>(2);
  auto model = c.shared<LanguageModel>(1);
  if (&optimizer->parameters() != &model->parameters())
    fail("optimizer", "the optimizer of another model", "one made for this model");
  auto holder = std::make_shared<TrainerHolder>(model, optimizer,
                                                seed ? static_cast<uint64_t>(seed->as_int()) : 0);
  return c.push_object(std::shared_ptr<Trainer>(holder, &holder->trainer));
}

int step(Call& c) {
  return c.push_new(c.object<Trainer>(1).step(
      c.object<Batch>(2), StepOptions::from_table(c.table(3), "rmkv.train.step")));
}

int steps(Call& c) {
  return c.push(c.object<Trainer>(1).step_count());
}
int lanes(Call& c) {
  return c.push_new(State(c.object<Trainer>(1).lanes()));
}

int set_lanes(Call& c) {
  c.object<Trainer>(1).set_lanes(c.object<State>(2));
  return 0;
}

template <auto Member>
int report_tensor(Call& c) {
  return c.push(static_cast<double>((c.object<StepReport>(1).*Member).template item<float>()));
}

int report_skipped(Call& c) {
  return c.push(c.object<StepReport>(1).skipped.item<float>() != 0);
}

int report_bits(Call& c) {
  auto& report = c.object<StepReport>(1);
  if (report.byte_count == 0) return c.push(std::numeric_limits<double>::quiet_NaN());
  return c.push(static_cast<double>(report.loss.item<float>()) *
                static_cast<double>(report.label_count) /
                (static_cast<double>(report.byte_count) * std::log(2.0)));
}

template <auto Member>
int report_number(Call& c) {
  return c.push(c.object<StepReport>(1).*Member);
}

Value effect(const MemoryEffect& effect) {
  return Table{{"difference", effect.difference},
               {"low", effect.low},
               {"high", effect.high},
               {"labels", effect.labels},
               {"samples", effect.samples}};
}

int evaluate_model(Call& c) {
  auto& bound = c.object<BoundEvaluationStream>(2);
  Table table = c.table(3);
  OptionReader reader(table, "rmkv.train.evaluate");
  EvaluationOptions options;
  std::string dtype = "fp32";
  int64_t segments = 8, seed = 0;
  if (reader.read("dtype", dtype)) options.compute_dtype = parse_dtype(dtype);
  reader.read("max_tokens", options.max_tokens, 0);
  reader.read("memory", options.memory);
  reader.read("ablations", options.ablations);
  reader.read("ablate_every", options.ablate_every, 1);
  reader.read("stale_segments", options.stale_segments, 1);
  if (reader.read("seed", seed, 0)) options.seed = static_cast<uint64_t>(seed);
  reader.read("segments", segments, 1);
  reader.finish();
  bound.stream.rewind();
  EvaluationReport report = evaluate(
      c.object<LanguageModel>(1),
      [&](Batch& batch) { return bound.stream.next(segments, bound.segment_tokens, batch); },
      options);
  Table sources;
  for (const auto& [index, loss] : report.sources) {
    if (index < 0 || index >= static_cast<int64_t>(bound.source_names.size())) continue;
    sources[bound.source_names[static_cast<size_t>(index)]] =
        Table{{"loss", loss.loss},
              {"bits_per_byte", loss.bits_per_byte},
              {"labels", loss.labels},
              {"bytes", loss.bytes}};
  }
  List ages;
  for (double loss : report.loss_by_age) ages.push_back(loss);
  Table result{{"loss", report.loss},     {"bits_per_byte", report.bits_per_byte},
               {"tokens", report.tokens}, {"labels", report.labels},
               {"bytes", report.bytes},   {"sources", sources},
               {"loss_by_age", ages}};
  Table memory;
  auto add = [&](const char* name, const MemoryEffect& measured) {
    if (measured.labels > 0) memory[name] = effect(measured);
  };
  add("shuffled", report.shuffled);
  add("zeroed", report.zeroed);
  add("initial", report.initial);
  add("stale", report.stale);
  if (!memory.empty()) result["memory"] = memory;
  Table readings;
  for (const auto& [name, mean] : report.readings) readings[name] = mean;
  if (!readings.empty()) result["readings"] = readings;
  return c.push(Value(result));
}

int memory_plan(Call& c) {
  const Table table = c.table(2);
  OptionReader reader(table, "rmkv.train.memory_plan");
  MemoryPlanOptions options;
  std::string dtype = "fp32", state = "fp32";
  reader.read("lanes", options.lanes, 1);
  reader.read("segments", options.segments, 1);
  reader.read("bptt", options.bptt, 1);
  reader.read("chunk_rows", options.chunk_rows, 0);
  if (reader.read("dtype", dtype)) options.compute_dtype = parse_dtype(dtype);
  reader.read("replay", options.replay);
  if (reader.read("state", state)) {
    options.state = parse_moment_state(state, "rmkv.train.memory_plan.state");
  }
  std::string optimizer = "adamw";
  reader.read("optimizer", optimizer, {"adamw", "muon"});
  options.muon = optimizer == "muon";
  reader.finish();
  const MemoryPlan plan = plan_memory(c.table(1), options);
  return c.push(Value(Table{{"count", plan.parameters},
                            {"parameters", plan.parameter_bytes},
                            {"gradients", plan.gradient_bytes},
                            {"copies", plan.copy_bytes},
                            {"moments", plan.moment_bytes},
                            {"codes", plan.code_bytes},
                            {"activations", plan.activation_bytes},
                            {"segment", plan.segment_bytes},
                            {"plain_activations", plan.plain_activation_bytes},
                            {"replay_activations", plan.replay_activation_bytes},
                            {"head", plan.head_bytes},
                            {"total", plan.total_bytes()}}));
}

int score_continuations(Call& c) {
  std::vector<int32_t> context = ids_arg(c, 2);
  std::vector<std::vector<int64_t>> continuations;
  int size = static_cast<int>(lua_objlen(c.L, 3));
  for (int i = 1; i <= size; ++i) {
    lua_rawgeti(c.L, 3, i);
    if (!lua_istable(c.L, -1))
      fail("continuations[" + std::to_string(i) + "]", describe(c.L, lua_gettop(c.L)),
           "a list of ids");
    continuations.push_back(c.integers(lua_gettop(c.L)));
    lua_pop(c.L, 1);
  }
  List scores;
  for (double x : score(c.object<LanguageModel>(1), {context.begin(), context.end()}, continuations,
                        dtype_option(c.table(4), "dtype", at::kFloat))) {
    scores.push_back(x);
  }
  return c.push(Value(scores));
}

}  // namespace

Module train_module() {
  const double none = -HUGE_VAL, all = HUGE_VAL;
  const Field number{"", "number", ""}, integer{"", "integer", ""};
  const Field dtype{"dtype", "string?", "of products: fp32, bf16, or fp64 for fp64 models",
                    "\"fp32\""};
  return {
      .name = "rmkv.train",
      .doc = "training steps, evaluation, scores",
      .functions =
          {
              {.name = "rmkv.train.trainer",
               .doc = "Makes a trainer, which holds the memory of the lanes between steps.",
               .args = {{"model", "Model", ""},
                        {"optimizer", "Optimizer", "of that model"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"seed", "integer?", "of state passing", "0", 0, 9007199254740992.0}}}},
               .returns = {{"", "Trainer", ""}},
               .call = trainer,
               .errors = "when the optimizer belongs to another model"},
              {.name = "Trainer:step",
               .doc = "Makes one training step: forward, backward, clipping, update.",
               .args = {{"batch", "Batch", ""},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"lr", "number?", "learning rate of this step", "1e-3", 0},
                          {"clip", "number?", "limit of the gradient norm; 0: off", "1", 0},
                          {"bptt", "integer?", "segments a gradient runs through", "4", 1},
                          dtype,
                          {"replay", "boolean?",
                           "recompute segments in backward: slower, less memory", "false"},
                          {"chunk_rows", "integer?", "rows of logits that exist at once; 0: chosen",
                           "0", 0},
                          {"z_loss", "number?", "weight of log(Z)^2", "0", 0},
                          {"l2_wrap", "number?",
                           "pulls each row's largest logit to zero by this times its value",
                           "1e-4 for rwkv4 to rwkv7, else 0", 0},
                          {"spike", "number?",
                           "a loss above this times its average skips the update; 0: off", "0", 0},
                          {"state_passing", "number?",
                           "probability of taking over another lane's memory", "0", 0, 1}}}},
               .returns = {{"", "StepReport", ""}},
               .call = step,
               .errors =
                   "\"interrupted\" on Ctrl-C: parameters, moments and lanes are then as before"},
              {.name = "Trainer:steps",
               .doc = "Returns the number of steps made.",
               .args = {},
               .returns = {integer},
               .call = steps},
              {.name = "Trainer:lanes",
               .doc = "Returns the memory of the lanes after the last step.",
               .args = {},
               .returns = {{"", "State", ""}},
               .call = lanes},
              {.name = "Trainer:set_lanes",
               .doc = "Replaces the memory of the lanes.",
               .args = {{"lanes", "State", ""}},
               .returns = {},
               .call = set_lanes},
              {.name = "StepReport.loss",
               .doc = "mean nats per trained label, before the update",
               .args = {},
               .returns = {number},
               .call = report_tensor<&StepReport::loss>},
              {.name = "StepReport.bits_per_byte",
               .doc = "loss in bits per byte of text; NaN without text",
               .args = {},
               .returns = {number},
               .call = report_bits},
              {.name = "StepReport.auxiliary",
               .doc = "the model's auxiliary loss, trained beside loss; 0 without one",
               .args = {},
               .returns = {number},
               .call = report_tensor<&StepReport::auxiliary>},
              {.name = "StepReport.gradient_norm",
               .doc = "before clipping",
               .args = {},
               .returns = {number},
               .call = report_tensor<&StepReport::gradient_norm>},
              {.name = "StepReport.skipped",
               .doc = "true when the update was left out (NaN, infinity or a spike)",
               .args = {},
               .returns = {{"", "boolean", ""}},
               .call = report_skipped},
              {.name = "StepReport.token_count",
               .doc = "tokens without padding",
               .args = {},
               .returns = {integer},
               .call = report_number<&StepReport::token_count>},
              {.name = "StepReport.label_count",
               .doc = "labels that were trained",
               .args = {},
               .returns = {integer},
               .call = report_number<&StepReport::label_count>},
              {.name = "StepReport.byte_count",
               .doc = "bytes of text behind the labels",
               .args = {},
               .returns = {integer},
               .call = report_number<&StepReport::byte_count>},
              {.name = "rmkv.train.evaluate",
               .doc =
                   "Measures a model on a pass of documents, and what its memory is worth there.",
               .args = {{"model", "Model", ""},
                        {"stream", "EvaluationStream", "rewound first"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {dtype,
                          {"max_tokens", "integer?", "stop after about so many; 0: all", "0", 0,
                           all, "tokens"},
                          {"memory", "boolean?", "also without, with foreign and with old memory",
                           "true"},
                          {"ablations", "list?",
                           "which of shuffled, zeroed, initial and stale; by default all"},
                          {"ablate_every", "integer?", "segments between two that are ablated", "1",
                           1},
                          {"stale_segments", "integer?", "how old the old memory is", "4", 1},
                          {"segments", "integer?", "of a batch", "8", 1},
                          {"seed", "integer?", "of the shuffling", "0", 0}}}},
               .returns =
                   {{"", "table",
                     "loss, bits_per_byte, tokens, labels, bytes, sources = { name = {…} }, "
                     "loss_by_age, memory = { shuffled, zeroed, initial, stale = { difference "
                     "(nats per label, positive: memory helps), low, high, labels, samples } }, "
                     "readings = { NAME = mean } of what tokens read and slots hold"}},
               .call = evaluate_model},
              {.name = "rmkv.train.memory_plan",
               .doc = "Computes what a training step of a model will hold, without making it.",
               .args = {{"config", "table", "as for rmkv.model.create, with its vocabulary"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"lanes", "integer?", "of a batch", "8", 1},
                          {"segments", "integer?", "of a step", "4", 1},
                          {"bptt", "integer?", "segments a gradient runs through", "4", 1},
                          {"chunk_rows", "integer?", "rows of logits at once; 0: chosen", "0", 0},
                          dtype,
                          {"replay", "boolean?", "recompute segments in backward", "false"},
                          {"state", "string?", "of the moments: fp32, bf16 or 8bit", "\"fp32\""},
                          {"optimizer", "string?", "adamw or muon", "\"adamw\""}}}},
               .returns =
                   {{"", "table",
                     "count (of parameters), and in bytes parameters, gradients, copies, "
                     "moments, codes (of a store), activations (segment: one segment's graph; "
                     "plain_activations, replay_activations: either way; 0: not known for "
                     "this architecture), head, total"}},
               .call = memory_plan,
               .errors = "on an unknown key"},
              {.name = "rmkv.train.score",
               .doc = "Returns log-probabilities of continuations of a context.",
               .args = {{"model", "Model", ""},
                        {"context", "shape|Tensor", "ids, at least one"},
                        {"continuations", "list", "lists of ids, each at least one"},
                        {"options", "options?", "", "", none, all, "", {dtype}}},
               .returns = {{"", "list", "nats, one for each"}},
               .call = score_continuations,
               .errors = "on an empty context or continuation"},
          },
      .classes = {&class_of<Trainer>(), &class_of<StepReport>()}};
}

}  // namespace rmkv::lua
