// The inference engine's computation: a block of tokens through all layers, by a team of threads,
// without allocation.
//
// A layer is five steps with a barrier after each: products of the shifted rows; the recurrence of
// the heads; the output product; the channel mix's key; its value.  What lies between is cheap
// enough for one row that every thread computes it for itself; blocks of rows are shared out and
// cost one barrier more.  Every number is computed in the same order for any block, lane and thread
// count, except with bf16 activations (`fast`).
// engine_core.cpp holds the buffers and the shares, engine_steps.cpp the steps.  Not here: State
// and tensors (engine.cpp).
#pragma once

#include <memory>
#include <vector>

#include "core/kernels/cpu/thread_choice.h"
#include "core/kernels/cpu/thread_team.h"
#include "core/models/rwkv/engine_weights.h"

namespace rmkv {

// Where a layer's part of the state lies, for lane 0, and how far apart lanes are, in floats.
struct EngineLayerState {
  float* att_shift;  // [B, D]
  float* ffn_shift;  // [B, D]
  float* att;        // version 4 [B, 3, D], else [B, H, key, value]
};

class EngineCore {
 public:
  // Rows of a block: enough for products at full speed, few enough for the second cache.
  static constexpr int64_t kMostRows = 256;

  EngineCore(const RwkvConfig& config, std::unique_ptr<EngineWeights> weights, int threads);

  // Advances B lanes by T tokens, B T <= kMostRows.  tokens int64, lane b's at tokens[b * stride];
  // hidden fp32, lane b's rows of D at hidden + b * stride * D: the normalised rows the head reads.
  void advance(const int64_t* tokens, int64_t lanes, int64_t count, int64_t stride,
               const std::vector<EngineLayerState>& state, float* hidden, bool fast);
  // logits fp32 [R, V] of hidden fp32 [R, D].
  void logits(const float* hidden, int64_t rows, float* logits);

  const EngineWeights& weights() const { return *weights_; }
  int threads() const { return team_.size(); }
  int64_t buffer_bytes() const;

 private:
  using Rows = kernels::cpu::Rows;
  using RowBuffer = kernels::cpu::RowBuffer;
  using PackedMatrix = kernels::cpu::PackedMatrix;

  // The rows before the products: a thread's own for a lone row, everybody's for a block.
  struct Shifted {
    RowBuffer normalised;
    std::vector<RowBuffer> inputs;  // one per shifted input
    RowBuffer mix_input;            // version 6
  };
  // A share of the panels of a list of products.
  struct Share {
    size_t product;
    int64_t first, last;
  };
  using Shares = std::vector<std::vector<Share>>;  // [thread][...]
  struct LayerPlan {
    Shares att, ffn, mix;
  };
  using Plans = std::vector<LayerPlan>;  // [L]
  struct Range {
    int64_t first, last;
  };
  // One call of advance().
  struct Block {
    const int64_t* tokens;
    int64_t lanes, count, stride;
    const std::vector<EngineLayerState>* state;
    float* hidden;
    bool fast;
    int64_t rows() const { return lanes * count; }
    int64_t lane(int64_t row) const { return row / count; }
    int64_t token(int64_t row) const { return row % count; }
  };

  Shares share_products(const std::vector<EngineProduct>& products, int threads) const;
  Plans make_plans(int threads) const;
  // Of the job that runs.
  const LayerPlan& plan(size_t layer) const { return plans_[static_cast<size_t>(active_)][layer]; }
  // Runs job(thread) by the whole team, or, given a choice, by as many threads as pay off.
  template <typename Job>
  void run_job(kernels::cpu::ThreadChoice* choice, const Job& job);
  void run(const Block& block, int thread);
  void embed(const Block& block, int thread);
  void time_mix(const Block& block, size_t layer, int thread);
  void channel_mix(const Block& block, size_t layer, int thread);
  // Norm and token shift of a residual branch; afterwards every shifted row is ready.
  void shift_rows(const Block& block, const EngineNorm& norm,
                  const std::vector<EngineVector>& shares,
                  const std::vector<EngineProduct>& products, const float* state, int thread);
  void dependent_shift(const Block& block, const EngineLayer& layer, const LayerPlan& plan,
                       const float* state, int thread);
  void multiply(const Block& block, const std::vector<EngineProduct>& products,
                const Shares& shares, const std::vector<RowBuffer>& inputs, int thread);
  void second_product(const Block& block, const PackedMatrix& matrix, EngineBuffer input,
                      const RowBuffer& to, Range columns);
  void heads(const Block& block, size_t layer, int thread);
  void keep_shift(const Block& block, float* state, int thread);
  void add_product(const Block& block, const PackedMatrix& matrix, const Rows& input,
                   const EngineVector& bias, const RowBuffer* scale, int thread);
  void encode(const Block& block, const PackedMatrix& matrix, const Rows& rows, Range columns);

  Shifted& shifted(const Block& block, int thread);
  const float* previous_row(const Block& block, const Rows& rows, const float* state,
                            int64_t row) const;
  // Equal shares of a number of units among the threads of the job.
  Range share(int64_t units, int thread) const;
  Range channel_share(int thread) const;
  bool private_rows(const Block& block) const { return block.rows() == 1; }

  const RwkvConfig config_;
  std::unique_ptr<EngineWeights> weights_;
  kernels::cpu::ThreadTeam team_;
  // Of a lone row and of its logits; a block takes the whole team.
  kernels::cpu::ThreadChoice row_choice_, head_choice_;
  int active_ = 1;            // threads of the job that runs
  int64_t channel_unit_;      // channels that are whole heads and whole panels
  std::vector<Plans> plans_;  // by number of threads

  std::vector<Shifted> own_shifted_;  // [threads], one row
  Shifted block_shifted_;
  RowBuffer residual_, mixed_, branch_, first_value_;  // [kMostRows, D]
  RowBuffer decay_, rate_, gate_, value_share_;        // [kMostRows, D]
  std::vector<RowBuffer> outputs_;                     // by EngineBuffer
  std::vector<RowBuffer> corrections_;                 // version 6: 5 x [kMostRows, D]
  std::vector<std::vector<float>> row_memory_;         // [threads][D], scratch
  RowBuffer head_rows_, head_out_;
};

}  // namespace rmkv
