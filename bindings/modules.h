// The modules of the program, one function each, defined in lua_<module>.cpp.
#pragma once

#include <deque>

#include "bindings/descriptor.h"

namespace rmkv::lua {

Module host_module();        // rmkv: scope, mem, help, interruption
Module random_module();      // rmkv.random
Module json_module();        // rmkv.json
Module toml_module();        // rmkv.toml
Module system_module();      // rmkv.system
Module tensor_module();      // rmkv.tensor
Module tokenizer_module();   // rmkv.tokenizer
Module model_module();       // rmkv.model
Module engine_module();      // rmkv.engine
Module weights_module();     // rmkv.weights
Module state_module();       // rmkv.state
Module optim_module();       // rmkv.optim
Module data_module();        // rmkv.data
Module train_module();       // rmkv.train
Module checkpoint_module();  // rmkv.checkpoint
Module log_module();         // rmkv.log
Module sample_module();      // rmkv.sample
Module serve_module();       // rmkv.serve

// Parts of a module that have a file of their own.
void add_file_functions(std::vector<Function>& functions);       // rmkv.system: lua_files.cpp
void add_parameter_functions(std::vector<Function>& functions);  // Model: lua_parameters.cpp

std::deque<Module> make_modules();

}  // namespace rmkv::lua
