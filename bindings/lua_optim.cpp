// Module rmkv.optim: optimisers over a model's parameters (core/optim).
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "core/optim/adamw.h"

namespace rmkv::lua {

template <>
const Class& class_of<BoundOptimizer>() {
  static const Class type{"Optimizer", "moves the parameters of a model along their gradients"};
  return type;
}

namespace {

int adamw(Call& c) {
  auto model = c.shared<LanguageModel>(1);
  auto optimizer =
      std::make_shared<Adamw>(model->parameters(), AdamwOptions::from_table(c.table(2)));
  return c.push_new(BoundOptimizer{std::move(model), std::move(optimizer)});
}

int updates(Call& c) {
  return c.push(c.object<BoundOptimizer>(1).optimizer->update_count());
}
int skips(Call& c) {
  return c.push(c.object<BoundOptimizer>(1).optimizer->skip_count());
}
int options(Call& c) {
  return c.push(Value(c.object<BoundOptimizer>(1).optimizer->options()));
}
int set_options(Call& c) {
  c.object<BoundOptimizer>(1).optimizer->set_options(c.table(2));
  return 0;
}

const std::vector<Field> kAdamwKeys = {
    {"betas", "list?", "decay of the two moments", "{0.9, 0.95}"},
    {"eps", "number?", "added to the root of the second moment", "1e-8"},
    {"weight_decay", "number?", "decoupled decay of the group matrix, times the learning rate",
     "0.1"},
    {"groups", "table?",
     "{ matrix|vector|gate|embedding = { lr_scale, weight_decay, frozen } }; gate biases learn 20 "
     "times faster by default",
     ""},
};

}  // namespace

Module optim_module() {
  return {
      .name = "rmkv.optim",
      .doc = "optimisers over a model's parameters",
      .functions =
          {
              {.name = "rmkv.optim.adamw",
               .doc = "Makes a fused AdamW (Loshchilov & Hutter 2019) with one set of rates per "
                      "parameter group; the learning rate is given at every step.",
               .args = {{"model", "Model", ""},
                        {.name = "options", .type = "options?", .doc = "", .keys = kAdamwKeys}},
               .returns = {{"", "Optimizer", ""}},
               .call = adamw},
              {.name = "Optimizer:updates",
               .doc = "Returns the number of updates made (waits for the device).",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = updates},
              {.name = "Optimizer:skips",
               .doc = "Returns the number of updates left out: NaN, infinity or a loss spike.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = skips},
              {.name = "Optimizer:options",
               .doc = "Returns the options in force.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = options},
              {.name = "Optimizer:set_options",
               .doc = "Changes options; what is left out stays, and so do the moments.",
               .args = {{.name = "options", .type = "options", .doc = "", .keys = kAdamwKeys}},
               .returns = {},
               .call = set_options},
          },
      .classes = {&class_of<BoundOptimizer>()}};
}

}  // namespace rmkv::lua
