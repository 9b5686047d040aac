// The parameters of RMKV: names, shapes, groups and initial values, and the handles the forward
// passes use.
//
// Initial values are a function of (seed, name), so neither the order of declaration nor other
// options change them. Layers count from 1 in names, as in the options and the state. Source:
// memory-model.md, section 2 and section 7; memory-architectures.md, sections 2.9 and 4.5.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/memory/cell.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/tensor/parameters.h"

namespace rmkv {

enum class InitialKind {
  kNormal,  // mean 0; `values` holds the deviation, or one per equal block of rows (stacked gates)
  kConstant,   // values[0]
  kIdentity,   // values[0] times the identity
  kCodes,      // store_codes times values[0]
  kInduction,  // see store_mix in rmkv_parameters.cpp
  kKeepBias,   // logit of a keep-rate whose half-life is log-uniform in [1, values[0]] segments
  kShift,      // row 0 rises from 0 to values[0] over the channels, the others are 0
  kRecency,    // see recency_bias in rmkv_parameters.cpp; values[0]: its size
  kWriteBias,  // the negative of the kKeepBias of the sibling parameter "keep_bias" (Tallec and
               // Ollivier 2018)
};

struct ParameterSpec {
  std::string name;
  std::vector<int64_t> shape;
  ParameterGroup group;
  InitialKind kind;
  std::vector<double> values;
};

// Every parameter of the configuration, in order; nothing is allocated.
std::vector<ParameterSpec> rmkv_parameter_specs(const RmkvConfig& config);
int64_t rmkv_parameter_count(const RmkvConfig& config);
// fp64 on the CPU.
Tensor initial_value(const ParameterSpec& spec, uint64_t seed);

// Handles into the store; all fp32 (fp64).  Undefined where the configuration has no such part.
struct RmkvLayer {
  bool slots = false;    // owns a slot memory
  bool store = false;    // owns an associative store
  Tensor norm;           // [C]
  Tensor norm_bias;      // [C], published only
  Tensor qkv;            // [3C, C]: queries, keys, values
  Tensor qkv_bias;       // [3C], published, or of tokens alone with recency
  Tensor shift;          // [W, C]: rows before a token, the nearest first; attention_shift only
  Tensor query_norm;     // [D], qk_norm only
  Tensor key_norm;       // [D]
  Tensor out;            // [C, C]
  Tensor out_bias;       // [C], published only
  Tensor read_gate;      // [H], zero_read only
  Tensor ffn_norm;       // [C]
  Tensor ffn_shift;      // [W, C], as shift
  Tensor ffn_in;         // [2F, C]: gate, up; relu2: [F, C]
  Tensor ffn_out;        // [C, F]
  Tensor slot_id;        // [M, C]
  Tensor initial;        // [M, C]: m[l][0]
  Tensor initial_carry;  // [M, C], lstm only
  Tensor pool_query;     // [M, C], query pooling only
  Tensor cell_input;     // [C, 2C]: W of [A ; pooled]
  CellWeights cell;
  Tensor store_map;        // [3C, C]: queries, keys, values; with convolution [2C, C]: addresses,
                           // values; with codes as keys [C, C]: values; as values too: none
  Tensor store_strength;   // [V]: how much a token counts in addresses; with codes only
  Tensor store_mix;        // [W, 3C]: row j weighs the token j places back; undefined: no
                           // convolution; with codes [W - 1, C]
  Tensor store_gate;       // [H, C]; H: heads of the store
  Tensor store_gate_bias;  // [H]
  Tensor store_decay;      // [H]: logit of the share kept from segment to segment
  Tensor store_out;        // [C, C]
};

struct RmkvWeights {
  Tensor embedding;        // [V, C]
  Tensor codes;            // [V, C], not trained; undefined without store_keys = "codes"
  Tensor embedding_norm;   // [C], embedding_norm only
  Tensor positions;        // [T, C], learned positions only
  Tensor stream_start;     // [M, C]: w[0] of the write stream
  Tensor initial;          // [M, C]: the one initial memory of the published block
  Tensor final_norm;       // [C]
  Tensor final_norm_bias;  // [C], published only
  Tensor head;             // [V, C]; the embedding where tied
  std::vector<RmkvLayer> layers;
};

// Codes of the tokens for store_keys = "codes": standard normal, a function of V and C alone, so
// they belong to no checkpoint.  Learned addresses start as good as these, but in the first hundred
// steps all names, and all colors, become alike to the model, and the matching is lost before the
// copying that would reward it is learned.  Source: random index vectors (Kanerva 2009,
// "Hyperdimensional computing"); memory keyed by fixed n-grams as in Engram (2026).
Tensor store_codes(const RmkvConfig& config, at::ScalarType dtype, at::Device device);

RmkvWeights bind_weights(const RmkvConfig& config, const ParameterStore& store);

}  // namespace rmkv
