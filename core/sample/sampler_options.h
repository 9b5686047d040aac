// What a sampler does: the closed set of its options, read from and written to plain tables.
//
// Not here: the arithmetic of the stages (stages.h) and their order of work (sampler.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/value.h"

namespace rmkv {

// The stages of the chain in their default order: that of llama.cpp, where truncation sees the
// model's own distribution and temperature reshapes what is left.
inline const std::vector<std::string> kSamplerStages = {"penalties", "dry",       "top_n_sigma",
                                                        "top_k",     "typical_p", "top_p",
                                                        "min_p",     "xtc",       "temperature"};

// Every default leaves the model's distribution as it is.
struct SamplerOptions {
  double temperature =
      1.0;                 // [0, 100]; 0 is greedy: the largest penalised logit, truncation ignored
  int64_t top_k = 0;       // 0 is off
  double top_p = 1.0;      // [0, 1]; 1 is off
  double min_p = 0.0;      // [0, 1]; 0 is off
  double typical_p = 1.0;  // [0, 1]; 1 is off
  double top_n_sigma = 0.0;             // standard deviations of the logits; 0 is off
  double repetition_penalty = 1.0;      // (0, 100]; 1 is off
  double presence_penalty = 0.0;        // [-100, 100]
  double frequency_penalty = 0.0;       // [-100, 100]
  int64_t penalty_window = 64;          // tokens looked back at, prompt included; [0, 65536]
  double dry_multiplier = 0.0;          // 0 is off
  double dry_base = 1.75;               // [1, 8]
  int64_t dry_allowed_length = 2;       // repeats up to this length (in tokens) are free
  int64_t dry_window = 1024;            // tokens looked back at; [0, 65536]
  double xtc_probability = 0.0;         // 0 is off
  double xtc_threshold = 0.1;           // above 0.5 it never acts
  std::map<int32_t, double> bias = {};  // added to these logits first
  std::vector<int64_t> banned = {};     // ids that never come
  std::vector<int64_t> allowed = {};    // when not empty, only these ids compete
  std::vector<std::string> order = kSamplerStages;  // a stage left out does not run
  int64_t seed = 0;

  bool operator==(const SamplerOptions&) const = default;
};

// Reads a closed table: unknown keys, wrong types and values out of range are errors opened by
// `where`. `bias` is a list of pairs {id, number}.
SamplerOptions read_sampler_options(const Table& table, const std::string& where = "sampler");
// The complete table: read_sampler_options(sampler_table(o)) == o.
Table sampler_table(const SamplerOptions& options);

}  // namespace rmkv
