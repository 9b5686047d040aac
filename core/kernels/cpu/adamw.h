// AdamW on plain fp32 rows with moments in fp32, bf16 or 8 bits.  The formulas and the 8-bit codes
// are those of core/kernels/adamw_math.h, sixteen lanes at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/adamw_math.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

// One parameter of `count` elements.  The moments' pointers say how they are kept: fp32 (first,
// second), bf16 (first_half, second_half) or codes with scales fp32 [ceil(count / 256)]; the
// others are null.
struct AdamwItem {
  float* value;
  const float* gradient;
  bf16* copy;  // or null
  float *first, *second;
  bf16 *first_half, *second_half;
  uint8_t *first_code, *second_code;
  float *first_scale, *second_scale;
  int64_t count;
  uint32_t stream;  // of the rounding noise
};

// In parallel; the same bits for any thread count.
void adamw(const std::vector<AdamwItem>& items, const ::rmkv::adamw::Factors& factors);

}  // namespace rmkv::kernels::cpu
