// The weights of an RWKV model as the inference engine holds them: matrices packed in one of the
// stored types, everything small in fp32.
//
// Not here: the trainable parameters (rwkv_model.h).  Names and shapes: rwkv_config.h.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/kernels/cpu/packed_matrix.h"
#include "core/models/rwkv/rwkv_config.h"
#include "core/tensor/weight_map.h"

namespace rmkv {

// fp32, zero beyond its end up to a multiple of 32, so that whole vectors can be read.
using EngineVector = std::vector<float>;

struct EngineNorm {
  EngineVector weight, bias;  // [D]
};

// What happens to the outputs of a product before they are read.
enum class Activation : uint8_t { kNone, kTanh, kSigmoid, kSquaredRelu };

// A product with one of the shifted rows as its input.
struct EngineProduct {
  kernels::cpu::PackedMatrix matrix;
  int input = 0;   // which of the shifted rows
  int output = 0;  // which of the engine's buffers
  Activation activation = Activation::kNone;
};

struct EngineLayer {
  EngineNorm att_norm, ffn_norm;
  // Weight of (previous - current) row for every shifted input, whatever the version stores.
  std::vector<EngineVector> att_shifts, ffn_shifts;
  std::vector<EngineProduct> att_products;  // from the shifted rows
  // Version 6: x_j = z + d (maa_j + W2_j tanh(W1 (z + d maa_x))), j as att_shifts.
  EngineVector mix_shift;
  EngineProduct mix_first;
  std::vector<kernels::cpu::PackedMatrix> mix_second;
  // Second halves of low-rank maps, [D, rank]: version 7 decay, rate, gate, value residual (empty
  // in layer 0); version 6 decay.
  kernels::cpu::PackedMatrix decay_second, rate_second, gate_second, value_second;
  EngineVector decay, bonus;           // [D]: see engine_heads.h for what a version stores in them
  EngineVector rate_base, value_base;  // version 7: a0, v0
  EngineVector removal_scale, rate_scale;  // version 7: k_k, k_a
  EngineNorm head_norm;                    // ln_x; empty in version 4
  kernels::cpu::PackedMatrix output;
  EngineVector output_bias;                 // empty: none
  std::vector<EngineProduct> ffn_products;  // key, and receptance up to version 6
  kernels::cpu::PackedMatrix ffn_value;
};

struct EngineWeights {
  kernels::cpu::WeightArena arena;
  WeightTensor embedding;  // [V, D] as stored; its norm is applied in fp32 when a row is read
  EngineNorm input_norm;   // empty: none
  EngineNorm output_norm;
  kernels::cpu::PackedMatrix head;
  WeightTensor head_source;
  EngineVector head_bias;  // empty: none
  std::vector<EngineLayer> layers;
  std::vector<Tensor> tuned_states;  // fp32 [H, N, N] by [head, value, key]; empty: none
  // Weights that a step reads: what the bandwidth bound of decoding is made of.
  int64_t step_bytes = 0;
  int64_t prefill_multiplications = 0;  // of all matrices but the head
};

// The buffers that products write.
enum EngineBuffer {
  kReceptance,
  kKey,
  kValue,
  kGate,  // [D]
  kDecayFirst,
  kRateFirst,
  kValueFirst,
  kGateFirst,      // [rank]
  kMixFirst,       // [5 rank]
  kHidden,         // [F]
  kFfnReceptance,  // [D]
  kEngineBuffers
};

// `type`: of the large matrices; without it every matrix keeps the file's.  Beside quantised
// matrices low-rank maps are kept in fp16, the head as stored but at most 16 bits, and a matrix
// whose rows are no whole blocks in fp16.  `head`: of the head instead of that (llama.cpp's files
// have Q8_0 there, Q6_K beside 5 and 4 bits; rwkv.cpp's have 16 bits).  Throws naming the first
// missing or misshapen weight.
std::unique_ptr<EngineWeights> pack_rwkv_weights(const RwkvConfig& config, const WeightMap& weights,
                                                 std::optional<WeightType> type,
                                                 std::optional<WeightType> head = {});

}  // namespace rmkv
