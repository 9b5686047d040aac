// From logits to the next token: a chain of stages, then one draw.
//
// Deterministic: the draw of the n-th sampled token comes from RandomStream(seed, "sample", n),
// whatever happened before.  A sampler is a small value (options shared, the last tokens, two
// numbers); copies are independent.
//
// Not here: the stages' arithmetic (stages.h), text, stopping (session.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/sample/candidates.h"
#include "core/sample/sampler_options.h"

namespace rmkv {

// A token and its probability under the model's own distribution.
struct TokenChance {
  int32_t id;
  double probability;
};

// The `count` most probable tokens of logits fp32 [V], most probable first.
std::vector<TokenChance> most_likely(std::span<const float> logits, int64_t count);

// One thread at a time; copies share the scratch room and belong to the same thread.
class Sampler {
 public:
  // Throws when the options name an id outside [0, vocabulary).
  Sampler(SamplerOptions options, int64_t vocabulary);

  // The next token for logits fp32 [V]; counts one sampled token.  `not_now` are ids banned this
  // time.  Allocates nothing after the first call.
  int32_t sample(std::span<const float> logits, std::span<const int64_t> not_now = {});
  // A token entered the text (fed or sampled): the penalties look back at it.
  void accept(int32_t id);

  const SamplerOptions& options() const { return *options_; }
  // New options; the tokens seen and the count of sampled ones stay.
  void set_options(SamplerOptions options);

  // What continues a sampler exactly, beside its options.
  struct Progress {
    uint64_t step = 0;            // tokens sampled so far: the step of the random stream
    std::vector<int32_t> recent;  // the last tokens, oldest first
  };
  Progress progress() const;
  void restore(const Progress& progress);
  uint64_t step() const { return step_; }
  // Another future from here: the same step of another seed.
  void reseed(int64_t seed);

 private:
  struct Scratch;
  void run_stage(const std::string& stage, bool greedy, double dice);
  std::span<const int32_t> last_tokens(int64_t count) const;

  std::shared_ptr<const SamplerOptions> options_;
  int64_t vocabulary_;
  uint64_t step_ = 0;
  std::vector<int32_t> recent_;  // at most twice the longest window, cut back when full
  std::shared_ptr<Scratch> scratch_;
};

}  // namespace rmkv
