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

// Truncation as the reference's C cast, defined also for NaN and what does not fit.
int truncated(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return low;
  return value >= static_cast<float>(high) ? high : static_cast<int>(value);
}

// The value of largest magnitude with its sign (the first among equals): the symmetric types put it
// on their most negative code, which reaches one step further than the most positive one.
float signed_peak(const float* x) {
  float magnitude = 0, peak = 0;
  for (int j = 0; j < kBlockValues; ++j) {
    if (std::fabs(x[j]) > magnitude) {
      magnitude = std::fabs(x[j]);
      peak = x[j];
    }
  }
  return peak;
}

struct Range {
  float low = FLT_MAX, high = -FLT_MAX;
};
Range range_of(const float* x) {
  Range range;
  for (int j = 0; j < kBlockValues; ++j) {
    if (x[j] < range.low) range.low = x[j];
    if (x[j] > range.high) range.high = x[j];
  }
  return range;
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
    uint32_t high = 0;
    uint8_t* nibbles = block + kScaleBytes + kHighBytes;
    for (int j = 0; j < kHalfBlock; ++j) {
      const auto code = [&](int at) {
        return static_cast<uint32_t>(truncated((x[at] - low) * factor + offset, 0, kCodes - 1));
      };
      const uint32_t first = code(j), second = code(j + kHalfBlock);
      nibbles[j] = static_cast<uint8_t>((first & 15u) | (second & 15u) << 4);
      high |= (first >> 4 & 1u) << j | (second >> 4 & 1u) << (j + kHalfBlock);
    }
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
    const float d = std::fabs(signed_peak(x)) / 127.0f;
    const float factor = inverse(d);
    put_half(d, block);
    for (int j = 0; j < kBlockValues; ++j) {
      const int code = truncated(std::roundf(x[j] * factor), -128, 127);
      block[2 + j] = static_cast<uint8_t>(code);
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
    format<Halves<c10::BFloat16>>("bf16"),
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
