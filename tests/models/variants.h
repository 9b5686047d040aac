// The RMKV variants that the invariants run over, and helpers around one model.
//
// Small on purpose: a few channels and segments of six tokens reach every branch of the code.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/models/rmkv/rmkv_model.h"
#include "tests/models/naive_rmkv.h"

namespace variants {

using rmkv::State;
using rmkv::Table;
using rmkv::Tensor;

inline constexpr int64_t kVocabulary = 23, kChannels = 16, kLayers = 2, kSegment = 6;

struct Variant {
  std::string name;
  Table config;
};

// The default small configuration with changes.
Table small_config(Table changes = {});
// Every cell with each pooling, then one option after another, then several together.
std::vector<Variant> all_variants();
// A few that cover the kinds of state, for the costlier invariants.
std::vector<Variant> few_variants();

// Every parameter random and of useful size, zero-initialised ones too, so that no part is silent;
// in fp32 only the zero-initialised ones change.
std::unique_ptr<rmkv::RmkvModel> make_model(const Table& config, uint64_t seed,
                                            at::ScalarType dtype);
void randomize(rmkv::ParameterStore& parameters, uint64_t seed);

// int64 [B, T] in [0, kVocabulary).
Tensor random_tokens(int64_t batch, int64_t count, uint64_t seed);

// The reference with the model's configuration and parameters.
naive::Model make_naive(const rmkv::RmkvModel& model);

// Largest absolute difference; infinity when shapes differ.
double difference(const Tensor& a, const Tensor& b);
// Over all floating tensors of two states; infinity when names or counters differ.
double difference(const State& a, const State& b);

// Hidden rows without graph, in pieces of the given lengths (the last repeats).
Tensor run_in_pieces(rmkv::LanguageModel& model, const Tensor& tokens, State& state,
                     const std::vector<int64_t>& pieces, at::ScalarType compute);

}  // namespace variants
