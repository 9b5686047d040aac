// The stages of a sampler chain, each a function on the candidates.
//
// Not here: their order and the draw (sampler.h).  Every stage leaves at least one candidate.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/sample/candidates.h"

namespace rmkv {

// logit / temperature; temperature > 0.
void apply_temperature(Candidates& candidates, double temperature);

// The k most probable tokens (Fan et al. 2018, "Hierarchical neural story generation",
// section 5.2).
void apply_top_k(Candidates& candidates, int64_t k);

// The smallest set of most probable tokens whose probabilities reach p (Holtzman et al. 2020, "The
// curious case of neural text degeneration", section 3.1).
void apply_top_p(Candidates& candidates, double p);

// Tokens whose probability is at least `share` of the best one's (Nguyen et al. 2024, "Turning up
// the heat: min-p sampling", section 3).
void apply_min_p(Candidates& candidates, double share);

// The tokens whose surprise -ln p lies nearest to the entropy, until their mass reaches p (Meister
// et al. 2023, "Locally typical sampling", section 4).  The best token may go.
void apply_typical(Candidates& candidates, double p);

// Tokens whose logit is at least best - n * (standard deviation of all logits) (Tang et al. 2024,
// "Top-n-sigma").
void apply_top_n_sigma(Candidates& candidates, double n);

// Removes every token of probability >= threshold except the least probable of them, when there are
// two or more
// ("exclude top choices"; text-generation-webui, pull request 6335).  The caller throws the dice.
void apply_xtc(Candidates& candidates, double threshold);

struct Penalties {
  double repetition = 1.0;  // seen tokens: positive logits are divided, negative multiplied (Keskar
                            // et al. 2019, CTRL)
  double presence = 0.0;    // taken off every seen token once
  double frequency = 0.0;   // taken off for each time it was seen
};
// `seen` are the last tokens in any order; `scratch` holds a sorted copy.
void apply_penalties(Candidates& candidates, const Penalties& penalties,
                     std::span<const int32_t> seen, std::vector<int32_t>& scratch);

// "Don't repeat yourself" (text-generation-webui, pull request 5677): a token that would prolong a
// repeat of n tokens (the text's last n tokens occurred before, followed by this token) loses
// multiplier * base^(n - allowed) when n >= allowed.  `text` are the last tokens, oldest first;
// cost O(text).
struct DryOptions {
  double multiplier = 0.0;
  double base = 1.75;
  int64_t allowed_length = 2;
};
void apply_dry(Candidates& candidates, const DryOptions& options, std::span<const int32_t> text,
               std::vector<int64_t>& scratch);

// The item chosen by u in [0, 1): inverse distribution function over the candidates in order of
// ids.
int32_t draw(Candidates& candidates, double u);

}  // namespace rmkv
