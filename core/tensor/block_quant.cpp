// One struct of functions per block type; rows are runs of blocks.
#include "core/tensor/block_quant.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "core/base/error.h"

namespace rmkv {

namespace {

constexpr int kHalfBlock = kBlockValues / 2;

float half_at(const uint8_t* place) {
  uint16_t bits = 0;
  std::memcpy(&bits, place, 2);
  return c10::Half(bits, c10::Half::from_bits());
}

void put_half(float value, uint8_t* place) {
  const uint16_t bits = c10::Half(value).x;
  std::memcpy(place, &bits, 2);
}

// Half a block at once, as vectors of the compiler.
using Values = float __attribute__((vector_size(4 * kHalfBlock)));
using Codes = int32_t __attribute__((vector_size(4 * kHalfBlock)));
using Bytes = uint8_t __attribute__((vector_size(kHalfBlock)));

Values load_values(const float* x) {
  Values values;
  std::memcpy(&values, x, sizeof values);
  return values;
}

Values larger(Values a, Values b) {
  return a > b ? a : b;  // b where a is NaN
}

// Truncation as the reference's C cast, within [low, high]; NaN is `low`.
Codes truncated(Values x, float low, float high) {
  x = larger(x, Values{} + low);
  x = x < high ? x : Values{} + high;
  return __builtin_convertvector(x, Codes);
}

// Halves away from zero, as roundf; for values of a few thousand.
Values rounded(Values x) {
  const Values whole = __builtin_convertvector(truncated(x, -1e6f, 1e6f), Values);
  const Values rest = x - whole, none{}, one = none + 1.0f;
  return whole + (rest >= 0.5f ? one : none) - (rest <= -0.5f ? one : none);
}

float largest(Values x) {
  float v[kHalfBlock];
  std::memcpy(v, &x, sizeof v);
  float most = v[0];
  for (const float value : v) most = std::max(most, value);
  return most;
}

// The largest of a block; NaN counts as 0.
float magnitude_of(const float* x) {
  const Values none{}, first = load_values(x), second = load_values(x + kHalfBlock);
  return largest(larger(larger(first < 0 ? -first : first, none),
                        larger(second < 0 ? -second : second, none)));
}

// The value of largest magnitude with its sign (the first among equals): the symmetric types put it
// on their most negative code, which reaches one step further than the most positive one.
float signed_peak(const float* x) {
  const float magnitude = magnitude_of(x);
  for (int j = 0; j < kBlockValues && magnitude > 0; ++j) {
    if (std::fabs(x[j]) == magnitude) return x[j];
  }
  return 0;
}

struct Range {
  float low, high;
};
// Without NaN.
Range range_of(const float* x) {
  const Values least = Values{} - FLT_MAX;
  const Values first = load_values(x), second = load_values(x + kHalfBlock);
  const float low = -largest(larger(larger(-first, least), larger(-second, least)));
  const float high = largest(larger(larger(first, least), larger(second, least)));
  // Of zeros of both signs the first is the lowest; their range is +0.
  return {low == 0 ? *std::find(x, x + kBlockValues, 0.0f) : low, high + 0.0f};
}

// Bit 4 of every byte.
uint32_t high_bits(Bytes codes) {
  uint64_t bytes[2];
  std::memcpy(bytes, &codes, sizeof bytes);
  uint32_t bits = 0;
  for (int i = 0; i < 2; ++i) {
    // The product moves the lowest bits of eight bytes side by side into the highest byte.
    const uint64_t ones = bytes[i] >> 4 & 0x0101010101010101u;
    bits |= static_cast<uint32_t>(ones * 0x0102040810204080u >> 56) << (8 * i);
  }
  return bits;
}

float inverse(float d) {
  return d != 0 ? 1.0f / d : 0.0f;
}

// Q4_0, Q4_1, Q5_0, Q5_1: `kBits` a value, with or without a minimum.
template <int kBits, bool kHasMinimum>
struct Nibbles {
  static constexpr int kScaleBytes = kHasMinimum ? 4 : 2;
  static constexpr int kHighBytes = kBits == 5 ? 4 : 0;
  static constexpr int kBytes = kScaleBytes + kHighBytes + kHalfBlock;
  static constexpr int kCodes = 1 << kBits;

  static void dequantize(const uint8_t* block, float* x) {
    const float d = half_at(block);
    const float m = kHasMinimum ? half_at(block + 2) : 0.0f;
    uint32_t high = 0;
    if (kHighBytes) std::memcpy(&high, block + kScaleBytes, 4);
    const uint8_t* nibbles = block + kScaleBytes + kHighBytes;
    auto value = [&](uint32_t code) {
      if (kHasMinimum) return static_cast<float>(code) * d + m;
      return static_cast<float>(static_cast<int>(code) - kCodes / 2) * d;
    };
    for (int j = 0; j < kHalfBlock; ++j) {
      x[j] = value((nibbles[j] & 15u) | (high >> j & 1u) << 4);
      x[j + kHalfBlock] = value((nibbles[j] >> 4) | (high >> (j + kHalfBlock) & 1u) << 4);
    }
  }

  static void quantize(const float* x, uint8_t* block) {
    float d = 0, low = 0, offset = 0.5f;
    if (kHasMinimum) {
      const Range range = range_of(x);
      low = range.low;
      d = (range.high - range.low) / static_cast<float>(kCodes - 1);
      put_half(low, block + 2);
    } else {
      d = signed_peak(x) / static_cast<float>(-kCodes / 2);
      offset += static_cast<float>(kCodes / 2);
    }
    put_half(d, block);
    // Codes follow the unrounded scale, as in the reference.
    const float factor = inverse(d);
    const auto codes = [&](const float* at) {
      const Values scaled = (load_values(at) - low) * factor + offset;
      return __builtin_convertvector(truncated(scaled, 0, kCodes - 1), Bytes);
    };
    const Bytes first = codes(x), second = codes(x + kHalfBlock);
    const Bytes nibbles = (first & 15) | (second << 4);
    std::memcpy(block + kScaleBytes + kHighBytes, &nibbles, kHalfBlock);
    const uint32_t high = high_bits(first) | high_bits(second) << kHalfBlock;
    if (kHighBytes) std::memcpy(block + kScaleBytes, &high, 4);
  }
};

struct Bytes8 {
  static constexpr int kBytes = 2 + kBlockValues;

  static void dequantize(const uint8_t* block, float* x) {
    const float d = half_at(block);
    for (int j = 0; j < kBlockValues; ++j) x[j] = static_cast<float>(int8_t(block[2 + j])) * d;
  }

  static void quantize(const float* x, uint8_t* block) {
    const float d = magnitude_of(x) / 127.0f;
    const float factor = inverse(d);
    put_half(d, block);
    for (int j = 0; j < kBlockValues; j += kHalfBlock) {
      const Codes codes = truncated(rounded(load_values(x + j) * factor), -128, 127);
      const Bytes bytes = __builtin_convertvector(codes, Bytes);
      std::memcpy(block + 2 + j, &bytes, sizeof bytes);
    }
  }
};

template <typename Block>
struct Blocks {
  static constexpr int64_t kValues = kBlockValues, kBytes = Block::kBytes;
  static void dequantize(const uint8_t* from, float* to, int64_t count) {
    for (int64_t i = 0; i < count; i += kValues, from += kBytes) Block::dequantize(from, to + i);
  }
  static void quantize(const float* from, uint8_t* to, int64_t count) {
    for (int64_t i = 0; i < count; i += kValues, to += kBytes) Block::quantize(from + i, to);
  }
};

struct Full {
  static constexpr int64_t kValues = 1, kBytes = 4;
  static void dequantize(const uint8_t* from, float* to, int64_t count) {
    std::memcpy(to, from, static_cast<size_t>(count) * 4);
  }
  static void quantize(const float* from, uint8_t* to, int64_t count) {
    std::memcpy(to, from, static_cast<size_t>(count) * 4);
  }
};

template <typename Number>
struct Halves {
  static constexpr int64_t kValues = 1, kBytes = 2;
  static void dequantize(const uint8_t* from, float* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, from + 2 * i, 2);
      to[i] = Number(bits, Number::from_bits());
    }
  }
  static void quantize(const float* from, uint8_t* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const uint16_t bits = Number(from[i]).x;
      std::memcpy(to + 2 * i, &bits, 2);
    }
  }
};

// bf16 is the upper half of an fp32, rounded to nearest, halves to even.
struct BrainHalves : Halves<c10::BFloat16> {
  using Words = uint32_t __attribute__((vector_size(4 * kHalfBlock)));
  using Bits = uint16_t __attribute__((vector_size(2 * kHalfBlock)));
  static void quantize(const float* from, uint8_t* to, int64_t count) {
    int64_t i = 0;
    for (; i + kHalfBlock <= count; i += kHalfBlock) {
      const Values x = load_values(from + i);
      const Words bits = (Words)x, quiet = Words{} + 0x7fc0;  // what c10::BFloat16 makes of NaN
      const Words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
      const Bits narrow = __builtin_convertvector(x == x ? rounded : quiet, Bits);
      std::memcpy(to + 2 * i, &narrow, sizeof narrow);
    }
    Halves<c10::BFloat16>::quantize(from + i, to + 2 * i, count - i);
  }
};

struct Format {
  const char* name;
  int64_t values, bytes;  // of a block
  void (*dequantize)(const uint8_t*, float*, int64_t);
  void (*quantize)(const float*, uint8_t*, int64_t);
};

template <typename T>
constexpr Format format(const char* name) {
  return {name, T::kValues, T::kBytes, T::dequantize, T::quantize};
}

// In the order of WeightType.
constexpr Format kFormats[] = {
    format<Full>("fp32"),
    format<Halves<c10::Half>>("fp16"),
    format<BrainHalves>("bf16"),
    format<Blocks<Nibbles<4, false>>>("q4_0"),
    format<Blocks<Nibbles<4, true>>>("q4_1"),
    format<Blocks<Nibbles<5, false>>>("q5_0"),
    format<Blocks<Nibbles<5, true>>>("q5_1"),
    format<Blocks<Bytes8>>("q8_0"),
};

const Format& format_of(WeightType type) {
  return kFormats[static_cast<size_t>(type)];
}

}  // namespace

const char* weight_type_name(WeightType type) {
  return format_of(type).name;
}

const std::vector<std::string>& weight_type_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Format& entry : kFormats) list.push_back(entry.name);
    return list;
  }();
  return names;
}

WeightType parse_weight_type(const std::string& name) {
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (lower == "f32") lower = "fp32";
  if (lower == "f16") lower = "fp16";
  for (size_t i = 0; i < std::size(kFormats); ++i) {
    if (lower == kFormats[i].name) return static_cast<WeightType>(i);
  }
  fail_because("weights", unknown_name_text("type", name, weight_type_names()));
}

bool is_quantized(WeightType type) {
  return format_of(type).values > 1;
}

uint64_t bytes_of_row(WeightType type, int64_t columns) {
  const Format& entry = format_of(type);
  if (columns < 0 || columns % entry.values != 0) {
    fail(std::string("a row of ") + entry.name, std::to_string(columns) + " values",
         "a multiple of " + std::to_string(entry.values));
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(columns / entry.values),
                             static_cast<uint64_t>(entry.bytes), &bytes)) {
    fail(std::string("a row of ") + entry.name, std::to_string(columns) + " values", "fewer");
  }
  return bytes;
}

void dequantize_rows(WeightType type, const void* from, float* to, int64_t rows, int64_t columns) {
  bytes_of_row(type, columns);
  format_of(type).dequantize(static_cast<const uint8_t*>(from), to, rows * columns);
}

void quantize_rows(WeightType type, const float* from, void* to, int64_t rows, int64_t columns) {
  bytes_of_row(type, columns);
  format_of(type).quantize(from, static_cast<uint8_t*>(to), rows * columns);
}

}  // namespace rmkv
