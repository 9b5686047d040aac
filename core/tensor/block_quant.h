// Number formats of stored weights: floats and ggml's blocks of 32 values, dequantised and
// quantised row by row.
//
// Not here: products on packed weights (core/kernels), files (core/checkpoint).  Layout and
// rounding follow ggml's reference routines bit for bit, so that a file quantised here equals one
// quantised there:
//   Q4_0 18 bytes: fp16 d, 16 nibble bytes; value d (q - 8)     Q4_1 20: fp16 d, fp16 m; d q + m
//   Q5_0 22 bytes: fp16 d, 32 high bits, 16 nibble bytes; d (q - 16)   Q5_1 24: d, m; d q + m
//   Q8_0 34 bytes: fp16 d, 32 int8; d q
// Low nibbles are values 0-15 of the block, high nibbles 16-31; high bit j belongs to value j.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rmkv {

enum class WeightType : uint8_t { F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 };

inline constexpr int64_t kBlockValues = 32;  // of every quantised type

// "fp32", "fp16", "bf16", "q4_0" ..., also "f32" and "f16"; an unknown name throws with the list.
WeightType parse_weight_type(const std::string& name);
const char* weight_type_name(WeightType type);
const std::vector<std::string>& weight_type_names();

bool is_quantized(WeightType type);
// Bytes of a row of `columns` values.  Throws when a quantised row is no whole number of blocks.
uint64_t bytes_of_row(WeightType type, int64_t columns);

// rows x columns values in C order.  Neither side needs any alignment (files give none).
// A quantised row is a whole number of blocks; NaN and infinities in `from` give finite nonsense.
void dequantize_rows(WeightType type, const void* from, float* to, int64_t rows, int64_t columns);
void quantize_rows(WeightType type, const float* from, void* to, int64_t rows, int64_t columns);

}  // namespace rmkv
