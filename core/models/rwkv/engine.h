// RWKV (versions 4 to 7) for inference: packed weights, no gradients, any number of threads of its
// own.
//
// A LanguageModel, so sessions, samplers and recipes run on it.  Its State has the names and shapes
// of the trainable model's (rwkv_state.h): a state of one goes on in the other.  Version 7's
// matrices lie transposed in memory, which only costs a copy when a state comes from elsewhere.
// Not here: training, CUDA.
//
// Results are the same bits for any split of the tokens, any batch and any number of threads.  The
// exception: with bf16 weights, blocks of 16 tokens and more round their activations to bf16 where
// the machine multiplies those at twice the speed, unless row-invariant products are asked for
// (kernels::set_row_invariant).
#pragma once

#include <memory>
#include <optional>

#include "core/models/language_model.h"
#include "core/models/rwkv/rwkv_config.h"
#include "core/tensor/weight_map.h"

namespace rmkv {

// `weights` in official names (rwkv_config.h); the embedding is read from its memory for the
// engine's life, everything else is packed.  `type`: of the large matrices; without it they keep
// the file's.  `threads` 0: as many as LibTorch's.  `head`: of the head; without it as `type`, but
// at least 16 bits (engine_weights.h).  Throws naming what is missing or misshapen.
std::unique_ptr<LanguageModel> make_rwkv_engine(const RwkvConfig& config, const WeightMap& weights,
                                                std::optional<WeightType> type, int threads,
                                                std::optional<WeightType> head = {});

// What an engine streams per token and holds; throws when the model is none.
struct EngineFacts {
  int64_t step_bytes = 0;               // weights read for one token and its logits
  int64_t prefill_multiplications = 0;  // for one token of a prompt, without logits
  int64_t weight_bytes = 0;             // memory of the packed weights
  int threads = 1;
};
EngineFacts rwkv_engine_facts(const LanguageModel& model);
bool is_rwkv_engine(const LanguageModel& model);

// Weights of the right size for an engine whose speed is of interest, not its text: uniform,
// scaled to keep the rows' size; matrices in `type`.
WeightMap random_rwkv_weights(const RwkvConfig& config, uint64_t seed, WeightType type);

}  // namespace rmkv
