// Constants of rwkv.cpp's file format, shared by its reader and its writer.
#pragma once

#include <cstdint>

#include "core/tensor/block_quant.h"

namespace rmkv {

inline constexpr uint32_t kGgmfMagic = 0x67676d66;  // "ggmf", read as a little-endian number

struct GgmfType {
  int32_t number;
  WeightType type;
};

inline constexpr GgmfType kGgmfTypes[] = {
    {0, WeightType::F32},  {1, WeightType::F16},  {2, WeightType::Q4_0}, {3, WeightType::Q4_1},
    {7, WeightType::Q5_0}, {8, WeightType::Q5_1}, {9, WeightType::Q8_0},
};

}  // namespace rmkv
