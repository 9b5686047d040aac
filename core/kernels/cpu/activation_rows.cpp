// See activation_rows.h.
#include "core/kernels/cpu/activation_rows.h"

#include <algorithm>

namespace rmkv::kernels::cpu {
namespace {

// 127 * 256: the largest code whose two halves are signed bytes.
constexpr float kLargestCode = 32512.0f;
// A block whose largest value is below this is encoded as zeros: 1 / scale could overflow.
constexpr float kSmallestPeak = 1e-30f;
typedef int8_t Bytes16 __attribute__((vector_size(16)));

inline Floats magnitude(Floats x) {
  return floats_of(bits_of(x) & 0x7fffffff);
}
// Halves against halves, four times: every lane ends with the result.
template <typename Vector, typename Fn>
inline Vector across_lanes(Vector x, const Fn& fn) {
  const Ints lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  x = fn(x, __builtin_shuffle(x, lane ^ 8));
  x = fn(x, __builtin_shuffle(x, lane ^ 4));
  x = fn(x, __builtin_shuffle(x, lane ^ 2));
  return fn(x, __builtin_shuffle(x, lane ^ 1));
}
inline float largest(Floats x) {
  return across_lanes(x, [](Floats a, Floats b) { return maximum(a, b); })[0];
}
// Of all lanes of both.  It wraps around: rows that hold NaN are rounded to anything.
inline int32_t sum_of(Ints first, Ints second) {
  const auto sum = [](Words a, Words b) { return a + b; };
  return static_cast<int32_t>(across_lanes(sum((Words)first, (Words)second), sum)[0]);
}
inline Ints rounded(Floats x) {
  const Floats magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  return bits_of(x + magic) - bits_of(magic);
}
inline void put(int8_t* to, Ints x) {
  const Bytes16 bytes = __builtin_convertvector(x, Bytes16);
  std::memcpy(to, &bytes, sizeof bytes);
}

// A block as scale * integers of at most `largest_code`.
struct RoundedBlock {
  Ints first, second;
  float scale;
};
inline RoundedBlock rounded_block(const float* x, float largest_code) {
  const Floats a = load(x), b = load(x + kLanes);
  const float peak = largest(maximum(magnitude(a), magnitude(b)));
  const float inverse = peak > kSmallestPeak ? largest_code / peak : 0.0f;
  return {rounded(a * inverse), rounded(b * inverse), peak / largest_code};
}

void encode_block(const float* x, CodeBlock& block) {
  const auto [first, second, scale] = rounded_block(x, kLargestCode);
  const Ints first_high = (first + 128) >> 8, second_high = (second + 128) >> 8;
  put(block.high, first_high);
  put(block.high + kLanes, second_high);
  put(block.low, first - (first_high << 8));
  put(block.low + kLanes, second - (second_high << 8));
  block.scale = scale;
  block.sum = sum_of(first, second);
}

void encode_block(const float* x, ByteBlock& block) {
  const auto [first, second, scale] = rounded_block(x, 127.0f);
  put(block.codes, first);
  put(block.codes + kLanes, second);
  block.scale = scale;
  block.sum = sum_of(first, second);
}

template <typename Block>
void encode_blocks(const float* x, Block* blocks, int64_t first, int64_t last) {
  for (int64_t c = first / kCodeValues * kCodeValues; c < last; c += kCodeValues) {
    encode_block(x + c, blocks[c / kCodeValues]);
  }
}

}  // namespace

void encode_row(RowForm form, const Rows& rows, int64_t row, int64_t first, int64_t last) {
  const float* x = rows.row(row);
  if (form == RowForm::kCodes) {
    encode_blocks(x, rows.codes + row * rows.code_stride, first, last);
  } else if (form == RowForm::kBytes) {
    encode_blocks(x, rows.bytes + row * rows.code_stride, first, last);
  } else if (form == RowForm::kHalves) {
    bf16* halves = rows.halves + row * rows.half_stride;
    for (int64_t c = first; c < last; c += kLanes) {
      store_some(halves + c, load_some(x + c, last - c), last - c);
    }
  }
}

RowBuffer::RowBuffer(int64_t rows, int64_t columns, bool codes, bool halves) {
  const int64_t padded = padded_columns(columns);
  // Rows a multiple of 4 KiB apart would share the sets of the first cache.
  const auto spread = [](int64_t bytes) { return bytes % 1024 == 0 ? bytes + 128 : bytes; };
  const int64_t float_bytes = spread(padded * 4);
  const int64_t blocks = codes ? padded / kCodeValues : 0;
  const int64_t code_bytes = blocks * int64_t{sizeof(CodeBlock)};
  const int64_t byte_bytes = blocks * int64_t{sizeof(ByteBlock)};
  const int64_t half_bytes = halves ? spread(padded * 2) : 0;
  const auto aligned = [](int64_t bytes) { return (bytes + 63) / 64 * 64; };
  // The last row may be read a vector beyond its end.
  const int64_t total = aligned(rows * float_bytes) + aligned(rows * code_bytes) +
                        aligned(rows * byte_bytes) + aligned(rows * half_bytes) + 256;
  memory_.assign(static_cast<size_t>(total), 0);
  const auto address = reinterpret_cast<uintptr_t>(memory_.data());
  uint8_t* at = memory_.data() + ((address + 63) / 64 * 64 - address);
  view_.values = reinterpret_cast<float*>(at);
  view_.stride = float_bytes / 4;
  at += aligned(rows * float_bytes);
  if (codes) {
    view_.codes = reinterpret_cast<CodeBlock*>(at);
    view_.code_stride = blocks;
    at += aligned(rows * code_bytes);
    view_.bytes = reinterpret_cast<ByteBlock*>(at);
    at += aligned(rows * byte_bytes);
  }
  if (halves) {
    view_.halves = reinterpret_cast<bf16*>(at);
    view_.half_stride = half_bytes / 2;
  }
}

}  // namespace rmkv::kernels::cpu
