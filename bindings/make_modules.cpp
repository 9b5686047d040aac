// The order in which modules are documented.
#include "bindings/modules.h"

namespace rmkv::lua {

std::deque<Module> make_modules() {
  std::deque<Module> modules;
  for (Module (*make)() :
       {host_module, system_module, random_module, json_module, toml_module, tensor_module,
        tokenizer_module, model_module, weights_module, engine_module, state_module, optim_module,
        data_module, train_module, sample_module, checkpoint_module, log_module, serve_module}) {
    modules.push_back(make());
  }
  return modules;
}

}  // namespace rmkv::lua
