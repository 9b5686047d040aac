// Turning rows of weights as they are stored into the panels that PackedMatrix reads.
//
// Not here: what a panel's order is for (packed_matrix.h, packed_block.h).
#pragma once

#include <cstdint>

#include "core/tensor/block_quant.h"

namespace rmkv::kernels::cpu {

// Rows of weights one after another in block_quant.h's format, at any address.
struct StoredRows {
  WeightType type;
  const uint8_t* data;
};

int64_t bytes_of_panel(WeightType type, int64_t inputs);

// Fills the zeroed panels of a matrix [outputs, inputs] of `type` by LibTorch's threads, each
// reading its rows once; rows of another type are converted through fp32.
void pack_panels(WeightType type, int64_t outputs, int64_t inputs, const StoredRows& rows,
                 uint8_t* panels);

}  // namespace rmkv::kernels::cpu
