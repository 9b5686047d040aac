// Module rmkv.model: building, running and probing models; their parameters are in
// lua_parameters.cpp.
#include <algorithm>

#include "bindings/load_options.h"
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

template <>
const Class& class_of<LanguageModel>() {
  static const Class type{
      "Model", "a language model of any architecture: parameters, states, probes",
      [](const void* object) -> size_t {
        auto& store = static_cast<const LanguageModel*>(object)->parameters();
        // Values and gradients.
        return 2 * static_cast<size_t>(store.element_count()) * at::elementSize(store.dtype());
      },
      [](const void* object) -> const void* { return object; }};
  return type;
}

namespace {

LanguageModel& model(const Call& c) {
  return c.object<LanguageModel>(1);
}

int create(Call& c) {
  Table options = c.table(2);
  const Value* seed = find(options, "seed");
  std::shared_ptr<LanguageModel> made =
      create_model(c.table(1), seed ? static_cast<uint64_t>(seed->as_int()) : 0,
                   dtype_option(options, "dtype", at::kFloat), device_option(options));
  return c.push_object(made);
}

int load_file(Call& c) {
  LoadedModel loaded = load_model(c.string(1), load_options(c.table(2), "rmkv.model.load"));
  const Table about{{"path", loaded.path},
                    {"format", loaded.format},
                    {"names", loaded.names},
                    {"tokenizer", loaded.tokenizer_path},
                    {"facts", loaded.facts}};
  c.push_object(std::shared_ptr<LanguageModel>(std::move(loaded.model)));
  c.push(Value(about));
  return 2;
}

int preset(Call& c) {
  return c.push(Value(preset_config(c.string(1), c.string(2))));
}
int presets(Call& c) {
  return c.push(preset_names());
}

int facts(Call& c) {
  const ModelFacts& facts = model(c).facts();
  return c.push(Value(Table{{"architecture", facts.architecture},
                            {"vocabulary", facts.vocabulary},
                            {"channels", facts.channels},
                            {"layers", facts.layers},
                            {"segment_tokens", facts.segment_tokens},
                            {"any_split", facts.any_split},
                            {"warning", facts.warning},
                            {"parameters", model(c).parameters().element_count()},
                            {"dtype", dtype_name(model(c).parameters().dtype())},
                            {"device", device_name(model(c).parameters().device())}}));
}

int config(Call& c) {
  return c.push(Value(model(c).config()));
}

int state(Call& c) {
  at::NoGradGuard no_graph;
  return c.push_new(model(c).initial_state(c.integer(2, 1)));
}

ForwardOptions forward_options(const Call& c, int index) {
  ForwardOptions options;
  at::ScalarType usual = model(c).parameters().dtype() == at::kDouble ? at::kDouble : at::kFloat;
  options.compute_dtype = dtype_option(c.table(index), "dtype", usual);
  return options;
}

Tensor run(Call& c) {
  Tensor tokens = tokens_arg(c, 2);
  State& state = c.object<State>(3);
  const ModelFacts& facts = model(c).facts();
  if (tokens.size(0) != state.batch()) {
    fail("tokens", shape_text(tokens.sizes()),
         "[" + std::to_string(state.batch()) + ", T]: one row for each lane of the state");
  }
  if (tokens.numel() == 0) fail("tokens", shape_text(tokens.sizes()), "at least one token");
  int64_t low = tokens.min().item<int64_t>(), high = tokens.max().item<int64_t>();
  if (low < 0 || high >= facts.vocabulary) {
    fail("tokens", "ids " + std::to_string(low) + " .. " + std::to_string(high),
         "0 .. " + std::to_string(facts.vocabulary - 1));
  }
  at::NoGradGuard no_graph;
  // A failure half way leaves the caller's state as it was.
  State next = state;
  Tensor hidden =
      model(c).forward(tokens.to(model(c).parameters().device()), next, forward_options(c, 4));
  state = std::move(next);
  return hidden;
}

int forward(Call& c) {
  return push_tensor(c, run(c));
}

int logits(Call& c) {
  Tensor hidden = run(c);
  at::NoGradGuard no_graph;
  return push_tensor(c, model(c).logits(hidden));
}

int head(Call& c) {
  at::NoGradGuard no_graph;
  const Tensor& hidden = tensor_arg(c, 2);
  if (hidden.dim() == 0 || hidden.size(-1) != model(c).facts().channels) {
    fail("hidden", shape_text(hidden.sizes()),
         "[.., C=" + std::to_string(model(c).facts().channels) + "]");
  }
  return push_tensor(c, model(c).logits(hidden));
}

int flush(Call& c) {
  at::NoGradGuard no_graph;
  model(c).flush(c.object<State>(2), forward_options(c, 3));
  return 0;
}

int probes(Call& c) {
  return c.push(model(c).probe_names());
}

int probe(Call& c) {
  std::vector<std::string> names = model(c).probe_names();
  if (std::find(names.begin(), names.end(), c.string(2)) == names.end()) {
    fail_because("name", unknown_name_text("probe", c.string(2), names));
  }
  at::NoGradGuard no_graph;
  return push_tensor(c, model(c).probe(c.string(2), c.object<State>(3)));
}

int memory_names(Call& c) {
  return c.push(model(c).memory_names(c.object<State>(2)));
}

}  // namespace

Module model_module() {
  const Field path{"path", "string", ""};
  const Field tokens{"tokens", "shape|Tensor",
                     "ids from 0: a list, a list of lists, or int64 [B, T]"};
  const Field state_field{"state", "State", "advances in place"};
  const Field dtype{
      "options", "options?",
      "",        "",
      -HUGE_VAL, HUGE_VAL,
      "",        {{"dtype", "string?", "of products: fp32, bf16 or fp64", "\"fp32\""}}};
  Module module{
      .name = "rmkv.model",
      .doc = "building, inspecting and probing models",
      .functions =
          {
              {.name = "rmkv.model.create",
               .doc = "Builds a model from its configuration, with fresh parameters.",
               .args =
                   {{"config", "table", "architecture, vocabulary and the architecture's own keys"},
                    {"options",
                     "options?",
                     "",
                     "",
                     -HUGE_VAL,
                     HUGE_VAL,
                     "",
                     {{"seed", "integer?", "of the initial parameters", "0", 0, 9007199254740992.0},
                      {"dtype", "string?", "of the parameters: fp32 or fp64", "\"fp32\""},
                      {"device", "string?", "", "\"cpu\""}}}},
               .returns = {{"", "Model", ""}},
               .call = create,
               .errors = "on an unknown key, naming the nearest, or a value out of range"},
              {.name = "rmkv.model.load",
               .doc = "Loads a model from a checkpoint folder, a run folder, a file of the "
                      "original program or an RWKV model file: .pth, safetensors (also sharded), "
                      "rwkv.cpp, GGUF.",
               .args = {path, load_options_field()},
               .returns = {{"", "Model", ""},
                           {"about", "table", "{path, format, names, tokenizer, facts}"}},
               .call = load_file,
               .errors = "naming the file and the tensor that is missing, unknown or misshapen"},
              {.name = "rmkv.model.preset",
               .doc = "Returns the configuration of a named size, without its vocabulary.",
               .args = {{"architecture", "string", "\"rmkv\""},
                        {"name", "string", "\"tiny\", \"small\", \"base\", \"1b\""}},
               .returns = {{"", "table", ""}},
               .call = preset,
               .errors = "on an unknown name"},
              {.name = "rmkv.model.presets",
               .doc = "Lists the named sizes.",
               .args = {},
               .returns = {{"", "list", ""}},
               .call = presets},
              {.name = "Model:facts",
               .doc = "Returns what is fixed for life.",
               .args = {},
               .returns = {{"", "table",
                            "architecture, vocabulary, channels, layers, segment_tokens, "
                            "any_split, warning (or empty), parameters, dtype, device"}},
               .call = facts},
              {.name = "Model:config",
               .doc = "Returns the complete configuration; create(config) builds the same "
                      "architecture.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = config},
              {.name = "Model:state",
               .doc = "Makes the state before the first token.",
               .args = {{"lanes", "integer?", "", "1", 1, 1e6}},
               .returns = {{"", "State", ""}},
               .call = state},
              {.name = "Model:forward",
               .doc = "Advances a state over tokens, without gradients.",
               .args = {tokens, state_field, dtype},
               .returns = {{"hidden", "Tensor", "[B, T, C], normalised"}},
               .call = forward,
               .errors = "when ids or lanes do not fit"},
              {.name = "Model:logits",
               .doc = "Advances a state over tokens and applies the head.",
               .args = {tokens, state_field, dtype},
               .returns = {{"logits", "Tensor", "fp32 [B, T, V]"}},
               .call = logits,
               .errors = "when ids or lanes do not fit"},
              {.name = "Model:head",
               .doc = "Applies the head to hidden rows.",
               .args = {{"hidden", "Tensor", "[.., C]"}},
               .returns = {{"logits", "Tensor", "fp32 [.., V]"}},
               .call = head,
               .errors = "when the last size is not C"},
              {.name = "Model:flush",
               .doc =
                   "Commits the open segment to memory now: a different computation from going on.",
               .args = {state_field, dtype},
               .returns = {},
               .call = flush},
              {.name = "Model:probes",
               .doc = "Lists the names of the probes.",
               .args = {},
               .returns = {{"", "list", ""}},
               .call = probes},
              {.name = "Model:probe",
               .doc = "Reads a probe of a state.",
               .args = {{"name", "string", "one of probes()"}, {"state", "State", ""}},
               .returns = {{"", "Tensor", ""}},
               .call = probe,
               .errors = "on an unknown name, naming the nearest"},
              {.name = "Model:memory_names",
               .doc = "Lists the tensors of a state that hold long-term memory.",
               .args = {{"state", "State", ""}},
               .returns = {{"", "list", ""}},
               .call = memory_names},
          },
      .classes = {&class_of<LanguageModel>()}};
  add_parameter_functions(module.functions);
  return module;
}

}  // namespace rmkv::lua
