// Rows of activations in the forms in which products with packed weights read them.
//
// Beside fp32: blocks of 32 values as 16-bit integers with an fp32 scale (for weights in blocks of
// 8 and 5 bits), as 8-bit ones (for 4 bits), and bf16 (for bf16 prefill).  16 bits keep the error
// of the activations below a hundredth of that of 8-bit weights; they are stored as two signed
// bytes, which is what the machine's byte dot product takes.  8 bits are a sixteenth of 4-bit
// weights' error and half the work.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

inline constexpr int64_t kCodeValues = 32;

// value = scale * (256 * high + low)
struct CodeBlock {
  int8_t high[kCodeValues];
  int8_t low[kCodeValues];
  float scale;
  int32_t sum;  // of 256 * high + low: what an offset of the weights is multiplied with
};

// value = scale * code
struct ByteBlock {
  int8_t codes[kCodeValues];
  float scale;
  int32_t sum;  // of the codes
};

enum class RowForm : uint8_t { kFloat, kCodes, kBytes, kHalves };

// A view of rows; strides in elements from one row to the next.  Forms that nobody reads are null.
struct Rows {
  float* values = nullptr;  // fp32 [R, stride]
  int64_t stride = 0;
  CodeBlock* codes = nullptr;  // [R, code_stride]
  int64_t code_stride = 0;
  ByteBlock* bytes = nullptr;  // [R, code_stride]
  bf16* halves = nullptr;      // bf16 [R, half_stride]
  int64_t half_stride = 0;

  float* row(int64_t r) const { return values + r * stride; }
};

// Writes another form of columns [first, last) of a row: whole blocks of 32 of codes, except at
// the row's end, where the block is filled up with what lies behind it (the padding of RowBuffer).
void encode_row(RowForm form, const Rows& rows, int64_t row, int64_t first, int64_t last);

// Memory for `rows` rows of `columns` values in the given forms, zeroed, columns padded to 32.
class RowBuffer {
 public:
  RowBuffer() = default;
  RowBuffer(int64_t rows, int64_t columns, bool codes = false, bool halves = false);
  const Rows& view() const { return view_; }
  int64_t size_bytes() const { return static_cast<int64_t>(memory_.size()); }

 private:
  std::vector<uint8_t> memory_;
  Rows view_;
};

inline int64_t padded_columns(int64_t columns) {
  return (columns + kCodeValues - 1) / kCodeValues * kCodeValues;
}

}  // namespace rmkv::kernels::cpu
