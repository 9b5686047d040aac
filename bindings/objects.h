// The classes that more than one module binds or takes, each described beside the module that makes
// its objects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/bind.h"
#include "core/data/batch.h"
#include "core/data/evaluation_stream.h"
#include "core/data/source.h"
#include "core/data/stream.h"
#include "core/models/language_model.h"
#include "core/models/state.h"
#include "core/optim/optimizer.h"
#include "core/train/trainer.h"
#include "tokenizer/tokenizer.h"

namespace rmkv::lua {

// A stream with the names of its sources and the segment length it is cut in.
struct BoundStream {
  TokenStream stream;
  int64_t segment_tokens;
  std::vector<std::string> source_names;
};

struct BoundEvaluationStream {
  EvaluationStream stream;
  int64_t segment_tokens;
  std::vector<std::string> source_names;
};

template <>
const Class& class_of<const Tokenizer>();  // lua_tokenizer_class.cpp
template <>
const Class& class_of<LanguageModel>();  // lua_model.cpp
template <>
const Class& class_of<State>();  // lua_state.cpp
template <>
const Class& class_of<const DocumentSource>();  // lua_source_class.cpp
template <>
const Class& class_of<Batch>();  // lua_batch.cpp
template <>
const Class& class_of<BoundStream>();  // lua_stream.cpp
template <>
const Class& class_of<BoundEvaluationStream>();  // lua_stream.cpp
template <>
const Class& class_of<Optimizer>();  // lua_optim.cpp; keeps its model alive
template <>
const Class& class_of<Trainer>();  // lua_train.cpp; keeps its model and optimiser alive

// Token ids at `index`: a list or an integer tensor.
std::vector<int32_t> ids_arg(const Call& c, int index);

}  // namespace rmkv::lua
