// The frame that every version of RWKV shares: embedding, blocks of time mix and channel mix,
// final norm, head.
//
//   x = LN0(emb[token]);   x += time_mix(LN1 x),  x += channel_mix(LN2 x)  per block;
//   logits = head LN_out(x) (+ head.bias)
//
// One forward for any number of tokens: a single one is the recurrent step, and since the
// recurrences take tokens in order, products are all that can round differently from split to
// split (kernels::set_row_invariant makes them bitwise equal too).  There are no segments: in
// ForwardOptions, S segments are S equal parts of the block.
// Source: rwkv-family.md, section 1.1.
#pragma once

#include <memory>
#include <vector>

#include "core/models/language_model.h"
#include "core/models/rwkv/mixes.h"
#include "core/models/rwkv/rwkv_config.h"

namespace rmkv {

class RwkvModel : public LanguageModel {
 public:
  // Parameters of `dtype` (fp32 or fp64), initialised from `seed` (none: zero).
  RwkvModel(const RwkvConfig& config, ParameterSeed seed, at::ScalarType dtype, at::Device device);

  const ModelFacts& facts() const override { return facts_; }
  Table config() const override { return config_.to_table(); }
  using LanguageModel::parameters;
  ParameterStore& parameters() override { return parameters_; }
  State initial_state(int64_t batch) override;
  Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override;
  Tensor head_weight() override { return head_; }
  Tensor logits(const Tensor& hidden) override;
  Table optimizer_options() const override;

  // "state.i": the recurrent state of block i, as in the state.
  std::vector<std::string> probe_names() const override;
  Tensor probe(const std::string& name, const State& state) override;
  // The recurrent states; the shifted rows are of the last token alone.
  std::vector<std::string> memory_names(const State& state) const override;

 private:
  struct Norm {
    Tensor weight, bias;  // [D]
  };
  struct Block {
    Norm first, second;
    RwkvMixPtr time_mix, channel_mix;
  };

  Norm norm_of(const std::string& name) const;
  Tensor run(const Tensor& tokens, State& state, const ForwardOptions& options) const;

  RwkvConfig config_;
  ModelFacts facts_;
  ParameterStore parameters_;
  Tensor embedding_;  // [V, D]
  Norm input_norm_;   // undefined without ln0
  Norm output_norm_;
  Tensor head_;       // [V, D]
  Tensor head_bias_;  // [V] or undefined
  std::vector<Block> blocks_;
};

std::unique_ptr<LanguageModel> create_rwkv(const Table& config, ParameterSeed seed,
                                           at::ScalarType parameter_dtype, at::Device device);

}  // namespace rmkv
