// The one interface of every architecture: RMKV in all its variants and, beside it, the RWKV
// family.
//
// A LanguageModel names its parameters, makes its initial State, and advances a State over a block
// of tokens. Recipes, sessions, samplers, evaluation and checkpoints know only this.
//
// Threads: a model may be used by one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/value.h"
#include "core/models/state.h"
#include "core/tensor/parameters.h"

namespace rmkv {

// What the trainer needs to know to feed a model; fixed for life.
struct ModelFacts {
  std::string architecture;    // "rmkv", "rwkv7", ...
  int64_t vocabulary = 0;      // V
  int64_t channels = 0;        // C
  int64_t layers = 0;          // L
  int64_t segment_tokens = 0;  // T; 0 where the model has no segments
  bool any_split = true;       // forward gives the same result for any split of the tokens
  std::string warning;         // what its user must know, for recipes to say; empty: nothing
};

// How `forward` computes; results differ only by rounding.
struct ForwardOptions {
  at::ScalarType compute_dtype =
      at::kFloat;  // dtype of products: fp32, bf16 (fp64 when the parameters are fp64)
  // bool [B, T]: false marks padding, which neither attends, is attended to, pooled nor written to
  // memory. Undefined: no padding.  T must then be whole segments and the state at a segment start.
  Tensor valid;
  // bool [B, S]: lane b forgets everything before segment s (a document starts there).  Undefined:
  // none.
  Tensor resets;
  // Tokens per segment of this block when it differs from the configured one (random segment
  // lengths); 0: as configured.  Whole segments only, state at a segment start.
  int64_t segment_tokens = 0;
  // Recompute each segment in backward instead of keeping its activations (segment replay).
  bool replay = false;
  // Filled, where given, with what the block's tokens read from memory, by name: fp32 (fp64)
  // [B, T], a value per token ("attention_share.2"; see the model's header).  Costs time; without
  // gradients only.
  std::map<std::string, Tensor>* readings = nullptr;
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  virtual const ModelFacts& facts() const = 0;
  // The complete configuration; `create_model(config())` builds the same architecture.
  virtual Table config() const = 0;

  virtual ParameterStore& parameters() = 0;
  const ParameterStore& parameters() const {
    return const_cast<LanguageModel*>(this)->parameters();
  }

  // The state before the first token, for B lanes.  Differentiable in the learned initial memory.
  virtual State initial_state(int64_t batch) = 0;

  // Advances `state` over tokens (int64 [B, T]) and returns the normalised hidden rows (compute
  // dtype [B, T, C]): what the head multiplies.  With gradients enabled the result and the state
  // carry the graph.
  virtual Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) = 0;

  // What the last forward with gradients adds to the training loss beside the labels' losses (a
  // load-balance loss): fp32 (fp64) [] with the graph, weighted, a mean over the tokens of that
  // call.  Given out once; undefined where there is nothing to add.
  virtual Tensor take_auxiliary_loss() { return {}; }

  // Commits the open segment to memory before it is full and starts a new one: a different
  // computation from going on, asked for by name (Session::flush).  Nothing to do in a model
  // without segments.
  virtual void flush(State&, const ForwardOptions&) {}

  // One token of one lane without tensors and without allocation: how sessions decode.  Advances
  // `state` in place (tensors that a copy of it shares are cloned first) and writes the row that
  // `forward` would return, fp32 [C].  False, with nothing changed, where the model has no such
  // form for these options, this state or this moment: then `forward` is the way.  Throws only
  // before it changes anything.
  virtual bool step(int64_t, State&, const ForwardOptions&, float* /*hidden*/) { return false; }
  // Likewise logits fp32 [V] of hidden fp32 [C].
  virtual bool step_logits(const float* /*hidden*/, float* /*logits*/) { return false; }

  // The head's weight, [V, C] in the parameters' dtype (the embedding where they are tied).
  virtual Tensor head_weight() = 0;
  // hidden [.., C] -> logits fp32 (fp64 when the parameters are fp64) [.., V].
  virtual Tensor logits(const Tensor& hidden);

  // What the optimiser should use unless told otherwise: options of AdamwOptions::from_table.
  virtual Table optimizer_options() const { return {}; }

  // Names of the probes and their values for a state: plain tensors, for people and for evaluation.
  // For example "memory.3" fp32 [B, M, C], "gate.3" keep-rates.
  virtual std::vector<std::string> probe_names() const { return {}; }
  virtual Tensor probe(const std::string& name, const State& state);

  // The tensors of `state` that hold long-term memory (not the open segment or the bridge): what
  // the memory report zeroes, shuffles and makes stale.  Empty for a model without memory.
  virtual std::vector<std::string> memory_names(const State& state) const;
};

// Builds an architecture from its configuration ("architecture" names it; see the README of each
// folder of models/). Parameters are initialised from `seed` (none: zero, until the caller loads
// them).  Unknown keys are errors.
std::unique_ptr<LanguageModel> create_model(const Table& config, ParameterSeed seed,
                                            at::ScalarType parameter_dtype = at::kFloat,
                                            at::Device device = at::kCPU);

// Named sizes of an architecture as a configuration without vocabulary: "tiny", "small", "base",
// "1b".
Table preset_config(const std::string& architecture, const std::string& preset);
std::vector<std::string> preset_names();

}  // namespace rmkv
