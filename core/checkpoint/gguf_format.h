// Constants of the GGUF format, shared by its reader and its writer.
#pragma once

#include <cstdint>
#include <string>

#include "core/tensor/block_quant.h"

namespace rmkv {

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF", read as a little-endian number
inline constexpr uint64_t kGgufAlignment = 32;      // unless general.alignment says otherwise

// Types of metadata values.
enum class GgufValue : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

struct GgufType {
  uint32_t number;  // ggml_type
  WeightType type;
};

inline constexpr GgufType kGgufTypes[] = {
    {0, WeightType::F32},  {1, WeightType::F16},  {2, WeightType::Q4_0}, {3, WeightType::Q4_1},
    {6, WeightType::Q5_0}, {7, WeightType::Q5_1}, {8, WeightType::Q8_0}, {30, WeightType::BF16},
};

WeightType gguf_weight_type(uint32_t number, const std::string& where);

}  // namespace rmkv
