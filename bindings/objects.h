// The bound classes that more than one module handles: who makes them and who takes them.
//
// Each class is described once, beside the module that makes its objects.
#pragma once

#include <memory>

#include "bindings/bind.h"
#include "core/data/batch.h"
#include "core/data/evaluation_stream.h"
#include "core/data/stream.h"
#include "core/models/language_model.h"
#include "core/models/state.h"
#include "core/optim/optimizer.h"
#include "core/train/trainer.h"
#include "tokenizer/tokenizer.h"

namespace rmkv::lua {

// A trainer together with what it must not outlive.
struct BoundTrainer {
  std::shared_ptr<LanguageModel> model;
  std::shared_ptr<Optimizer> optimizer;
  Trainer trainer;
};

// An optimiser together with the model whose parameters it moves.
struct BoundOptimizer {
  std::shared_ptr<LanguageModel> model;
  std::shared_ptr<Optimizer> optimizer;
};

template <>
const Class& class_of<LanguageModel>();  // lua_model.cpp
template <>
const Class& class_of<State>();  // lua_model.cpp
template <>
const Class& class_of<const Tokenizer>();  // lua_tokenizer.cpp
template <>
const Class& class_of<TokenStream>();  // lua_data.cpp
template <>
const Class& class_of<EvaluationStream>();  // lua_data.cpp
template <>
const Class& class_of<Batch>();  // lua_data.cpp
template <>
const Class& class_of<BoundOptimizer>();  // lua_optim.cpp
template <>
const Class& class_of<BoundTrainer>();  // lua_train.cpp

}  // namespace rmkv::lua
