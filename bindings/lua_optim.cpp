// Module rmkv.optim: optimisers over a model's parameters (core/optim).
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/optim/adamw.h"
#include "core/optim/muon.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

template <>
const Class& class_of<Optimizer>() {
  static const Class type{"Optimizer", "turns gradients into updates; belongs to one model"};
  return type;
}
namespace {

// An optimiser refers to its model's parameters: it keeps the model alive.
template <typename Kind>
struct Holder {
  template <typename... Args>
  explicit Holder(std::shared_ptr<LanguageModel> m, const Args&... args)
      : model(std::move(m)), optimizer(model->parameters(), args...) {}
  std::shared_ptr<LanguageModel> model;
  Kind optimizer;
};

template <typename Kind, typename... Args>
int push_optimizer(Call& c, std::shared_ptr<LanguageModel> model, const Args&... args) {
  auto holder = std::make_shared<Holder<Kind>>(std::move(model), args...);
  return c.push_object(std::shared_ptr<Optimizer>(holder, &holder->optimizer));
}

int adamw(Call& c) {
  const auto model = c.shared<LanguageModel>(1);
  const AdamwOptions defaults = AdamwOptions::from_table(model->optimizer_options());
  return push_optimizer<Adamw>(c, model, AdamwOptions::from_table(c.table(2), defaults));
}

int muon(Call& c) {
  const auto model = c.shared<LanguageModel>(1);
  MuonOptions defaults;
  defaults.adamw = AdamwOptions::from_table(model->optimizer_options());
  return push_optimizer<Muon>(c, model, model->facts().vocabulary,
                              MuonOptions::from_table(c.table(2), defaults));
}

int options(Call& c) {
  return c.push(Value(c.object<Optimizer>(1).options()));
}

int set_options(Call& c) {
  c.object<Optimizer>(1).set_options(c.table(2));
  return 0;
}

int updates(Call& c) {
  return c.push(c.object<Optimizer>(1).update_count());
}
int skips(Call& c) {
  return c.push(c.object<Optimizer>(1).skip_count());
}

int optimizer_state(Call& c) {
  std::map<std::string, Tensor> copies;
  for (const auto& [name, tensor] : c.object<Optimizer>(1).state()) copies[name] = tensor.clone();
  return push_tensors(c, copies);
}

int load_optimizer_state(Call& c) {
  c.object<Optimizer>(1).load_state(tensors_arg(c, 2));
  return 0;
}

}  // namespace

Module optim_module() {
  const double none = -HUGE_VAL, all = HUGE_VAL;
  const std::vector<Field> rates = {
      {"betas", "list?", "{ beta1, beta2 }", "the model's"},
      {"eps", "number?", "", "the model's", 0},
      {"state", "string?", "how moments of large matrices are kept: fp32, bf16 or 8bit",
       "\"fp32\""},
      {"weight_decay", "number?", "of matrices", "0.1", 0},
      {"groups", "table?",
       "matrix, vector, gate, embedding = { lr_scale =, weight_decay =, frozen = }",
       "the model's"}};
  std::vector<Field> muon_options = rates;
  muon_options.push_back({"momentum", "number?", "", "0.95", 0, 1});
  muon_options.push_back({"iterations", "integer?", "of Newton-Schulz", "5", 1, 20});
  return {
      .name = "rmkv.optim",
      .doc = "optimisers",
      .functions =
          {
              {.name = "rmkv.optim.adamw",
               .doc =
                   "Makes an AdamW optimiser for a model; the learning rate comes with each step.",
               .args = {{"model", "Model", ""},
                        {"options", "options?", "", "", none, all, "", rates}},
               .returns = {{"", "Optimizer", ""}},
               .call = adamw,
               .errors = "on an unknown group or key, naming the nearest"},
              {.name = "rmkv.optim.muon",
               .doc =
                   "Makes a Muon optimiser: matrices move by their orthogonal momentum, the rest "
                   "by AdamW; rates are AdamW's.",
               .args = {{"model", "Model", ""},
                        {"options", "options?", "", "", none, all, "", muon_options}},
               .returns = {{"", "Optimizer", ""}},
               .call = muon,
               .errors = "on an unknown group or key, naming the nearest"},
              {.name = "Optimizer:options",
               .doc = "Returns the complete options.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = options},
              {.name = "Optimizer:set_options",
               .doc = "Changes options; the moments stay, converted where their state changes.",
               .args = {{"options", "table", "as given when it was made"}},
               .returns = {},
               .call = set_options,
               .errors = "on an unknown key"},
              {.name = "Optimizer:updates",
               .doc = "Returns the number of updates made.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = updates},
              {.name = "Optimizer:skips",
               .doc = "Returns the number of updates skipped.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = skips},
              {.name = "Optimizer:state",
               .doc = "Returns copies of the moments.",
               .args = {},
               .returns = {{"", "table", "name = Tensor"}},
               .call = optimizer_state},
              {.name = "Optimizer:load_state",
               .doc = "Puts saved moments back; those of another state are converted.",
               .args = {{"state", "table", "name = Tensor"}},
               .returns = {},
               .call = load_optimizer_state,
               .errors = "listing what does not fit, before anything is written"},
          },
      .classes = {&class_of<Optimizer>()}};
}

}  // namespace rmkv::lua
