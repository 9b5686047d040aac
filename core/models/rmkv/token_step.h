// RMKV one token at a time without LibTorch: what a session decodes with.
//
// The computation of recurrent.h for one lane in fp32, on the parameters' own memory, by a team of
// threads that walks through the layers with five barriers each; nothing is allocated or dispatched
// for a token.  Opening a segment (its first token) and committing it stay with recurrent.h: once
// in T tokens, and so every cell, pooling and write stream is covered without a second form of it.
// Same State, same result within fp32 rounding; same bits for any number of threads.
// Not here: several lanes or tokens, bf16, fp64, CUDA, gradients, the published block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kernels/cpu/thread_choice.h"
#include "core/kernels/cpu/thread_team.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"
#include "core/models/state.h"

namespace rmkv {

class TokenStep {
 public:
  // Whether this form computes such a model.  An option it does not know counts as off when it is
  // false or 0, else the model is left to recurrent.h.
  static bool covers(const RmkvConfig& config, const RmkvWeights& weights);

  // `config` and `weights` outlive this and are covered.
  TokenStep(const RmkvConfig& config, const RmkvWeights& weights);
  ~TokenStep();

  // Takes one token into the open segment of a state of one lane (1 <= counter "open" < T) and
  // writes the normalised hidden row, fp32 [C].  The caller commits when the segment is full.
  // False, with nothing changed, when the state holds other dtypes.
  bool advance(int64_t token, State& state, float* hidden);
  // logits fp32 [V] of hidden fp32 [C].
  void logits(const float* hidden, float* logits);

 private:
  struct Layer;
  struct Range {
    int64_t first, last;
  };

  bool find_state(State& state);
  void prepare();
  void make_team(int threads);
  // Runs job(thread) by as many threads as pay off.
  template <typename Job>
  void run_timed(kernels::cpu::ThreadChoice& choice, const Job& job);
  // A thread's part of `count` items in whole units.
  Range share(int64_t count, int thread, int64_t unit) const;
  void run(int64_t token, float* hidden, int thread);
  void project(const Layer& layer, int64_t token, int thread);
  const float* shifted(const float* weights, int64_t width, const float* recent, int thread);
  void keep_shift(float* recent, int64_t width, int thread);
  void attention(const Layer& layer, int thread);
  void store(const Layer& layer, int thread);
  void mix(const Layer& layer, const float* row, int64_t first, int64_t count, int part,
           float* to) const;
  void pool(const Layer& layer, int thread);
  void feed_forward(const Layer& layer, int thread);

  const RmkvConfig& config_;
  const RmkvWeights& weights_;
  std::vector<Layer> layers_;
  std::optional<kernels::cpu::ThreadTeam> team_;
  // Of a token and of its logits.
  std::optional<kernels::cpu::ThreadChoice> row_choice_, head_choice_;
  int threads_ = 1;  // of the job that runs

  int64_t position_ = 0;                // of the token in its segment
  int64_t since_start_ = 0;             // tokens of the lane before it
  const bool* visible_ = nullptr;       // [k + M + T] or null
  std::vector<float> cosines_, sines_;  // [T, D / 2]
  // Rows of the token: residual [C]; queries, keys, values [3C]; attention output [C]; addresses
  // and values of the store [3C], its gates [H] and reads [C]; feed-forward [2F].
  std::vector<float> residual_, qkv_, mixed_, store_rows_, store_gates_, store_reads_, wide_;
  struct Scratch {
    std::vector<float> normed, shifted, blind, scores, query, key, value, update;
  };
  std::vector<Scratch> scratch_;  // [threads]
};

}  // namespace rmkv
