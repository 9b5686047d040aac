// Synthetic models whose weights follow from a hash of name order and element, one per version,
// with the results they must give.
//
// Every weight is exact in bf16, fp16 and fp32.  Source: rwkv-family.md, section 4.6; the values
// come from an independent fp64 implementation checked against published files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/models/rwkv/rwkv_model.h"
#include "core/tensor/torch.h"

namespace synthetic {

using rmkv::Table;
using rmkv::Tensor;

struct Gradient {
  std::string name;  // in block 1 unless it starts with a block or is outside
  int64_t index;     // flat
  double value;
};

struct Golden {
  std::string name;
  Table config;
  int64_t tensors, parameters;
  double weight_sum, nll;
  double first_logits[2];  // after the first token
  double last_sum, last_norm;
  std::vector<double> last_logits;
  int64_t state_floats;
  double state_norm;
  std::vector<int64_t> greedy;
  std::vector<Gradient> gradients;
};

const std::vector<Golden>& goldens();

std::unique_ptr<rmkv::RwkvModel> make_model(const Table& config, at::ScalarType dtype);

// Tokens (7 i + 3) mod 48, int64 [1, 24].
Tensor tokens();

// Mean negative log-likelihood of the 23 next tokens, with its graph where gradients are on.
Tensor mean_loss(rmkv::RwkvModel& model);

}  // namespace synthetic
