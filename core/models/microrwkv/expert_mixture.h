// TinyMoE as its name promises: each token goes through the k of E experts that its router likes
// best, and a loss keeps the router from liking the same ones always.
//
// Sources: rwkv-family.md, section 2 (sizes, shared output map); top-k gates renormalised as in
// Mixtral, arXiv 2401.04088; balance loss: Switch Transformer, arXiv 2101.03961, equations 4-6.
#pragma once

#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

struct ExpertWeights {
  Tensor gate, gate_bias;                      // [E, C], [E]
  std::vector<Tensor> experts, expert_biases;  // E times [W, C], [W]
  Tensor out, out_bias;                        // [C, W], [C]: shared by the experts
};

struct ExpertResult {
  Tensor rows;  // compute dtype [B, T, C]
  // fp32 (fp64) [], E sum_e f_e P_e: f_e the share of choices that fell on expert e, P_e its mean
  // probability; 1 when balanced.  Differentiable through P.  Undefined unless asked for.
  Tensor balance;
};

// rows compute dtype [B, T, C]; kept bool [B, T] or undefined: rows that count for the balance.
ExpertResult expert_mixture(const ExpertWeights& weights, const Tensor& rows, int64_t active,
                            bool with_balance, const Tensor& kept);

}  // namespace rmkv
