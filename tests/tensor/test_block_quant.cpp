// ggml's block formats: hand-made blocks, rounding at the edges, errors, round trips.
#include "core/tensor/block_quant.h"

#include <cmath>
#include <cstring>
#include <random>

#include "core/base/error.h"
#include "core/tensor/torch.h"
#include "core/tensor/weight_map.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes quantized(WeightType type, const std::vector<float>& values) {
  Bytes bytes(bytes_of_row(type, static_cast<int64_t>(values.size())));
  quantize_rows(type, values.data(), bytes.data(), 1, static_cast<int64_t>(values.size()));
  return bytes;
}

std::vector<float> dequantized(WeightType type, const Bytes& bytes, size_t count) {
  std::vector<float> values(count);
  dequantize_rows(type, bytes.data(), values.data(), 1, static_cast<int64_t>(count));
  return values;
}

std::vector<float> ramp() {
  std::vector<float> values(32);
  for (int j = 0; j < 32; ++j) values[static_cast<size_t>(j)] = static_cast<float>(j - 16);
  return values;
}

}  // namespace

TEST_CASE("rows of each type have the bytes of their format", "[quant]") {
  const std::vector<std::pair<WeightType, uint64_t>> sizes = {
      {WeightType::F32, 128}, {WeightType::F16, 64},  {WeightType::BF16, 64},
      {WeightType::Q4_0, 18}, {WeightType::Q4_1, 20}, {WeightType::Q5_0, 22},
      {WeightType::Q5_1, 24}, {WeightType::Q8_0, 34}};
  for (const auto& [type, bytes] : sizes) {
    INFO(weight_type_name(type));
    CHECK(bytes_of_row(type, 32) == bytes);
    CHECK(bytes_of_row(type, 96) == 3 * bytes);
    CHECK(parse_weight_type(weight_type_name(type)) == type);
    CHECK(is_quantized(type) == (bytes < 64));
  }
  CHECK(parse_weight_type("F16") == WeightType::F16);
  CHECK(parse_weight_type("Q5_1") == WeightType::Q5_1);
  CHECK_THROWS_WITH(parse_weight_type("q6_0"), Contains("q5_0"));
  CHECK_THROWS_WITH(bytes_of_row(WeightType::Q4_0, 48), Contains("multiple of 32"));
  CHECK_THROWS_AS(bytes_of_row(WeightType::F32, INT64_MAX), Error);
}

// Blocks worked out by hand from the layout in the header: fp16 1.0 is 0x3c00.
TEST_CASE("a ramp of whole numbers gives known blocks", "[quant]") {
  // -16 .. 15 with d = -16 / -16 = 1 in five bits: code = value + 16 = its position.
  Bytes expected = {0x00, 0x3c, 0x00, 0x00, 0xff, 0xff};
  for (uint8_t j = 0; j < 16; ++j) expected.push_back(static_cast<uint8_t>(j | j << 4));
  CHECK(quantized(WeightType::Q5_0, ramp()) == expected);
  CHECK(dequantized(WeightType::Q5_0, expected, 32) == ramp());

  // The same as minimum -16 (0xcc00) and step 1.
  Bytes with_minimum = {0x00, 0x3c, 0x00, 0xcc, 0x00, 0x00, 0xff, 0xff};
  for (size_t j = 6; j < expected.size(); ++j) with_minimum.push_back(expected[j]);
  CHECK(quantized(WeightType::Q5_1, ramp()) == with_minimum);
  CHECK(dequantized(WeightType::Q5_1, with_minimum, 32) == ramp());

  // Four bits: d = -16 / -8 = 2 (0x4000); code = trunc(value / 2 + 8.5): halves round up.
  Bytes four = {0x00, 0x40};
  for (int j = 0; j < 16; ++j) {
    const int low = static_cast<int>((j - 16) / 2.0 + 8.5), high = static_cast<int>(j / 2.0 + 8.5);
    four.push_back(static_cast<uint8_t>(low | std::min(high, 15) << 4));
  }
  CHECK(quantized(WeightType::Q4_0, ramp()) == four);
  CHECK(dequantized(WeightType::Q4_0, four, 32)[0] == -16.0f);
  CHECK(dequantized(WeightType::Q4_0, four, 32)[31] == 14.0f);

  // 127 at most: d = 1, codes are the values.
  std::vector<float> wide = ramp();
  wide[3] = -127;
  Bytes eight = {0x00, 0x3c};
  for (const float value : wide) eight.push_back(static_cast<uint8_t>(static_cast<int8_t>(value)));
  CHECK(quantized(WeightType::Q8_0, wide) == eight);
  CHECK(dequantized(WeightType::Q8_0, eight, 32) == wide);
}

TEST_CASE("codes follow the unrounded scale and halves round away from zero", "[quant]") {
  // d = 0.7 / 127 is no fp16 number; the codes must come from the exact one.
  std::vector<float> values(32, 0.0f);
  values[0] = 0.7f;
  values[1] = 0.7f * 100.5f / 127.0f;
  const Bytes bytes = quantized(WeightType::Q8_0, values);
  const float exact = 1.0f / (0.7f / 127.0f);
  CHECK(static_cast<int8_t>(bytes[2]) == 127);
  CHECK(static_cast<int8_t>(bytes[3]) == static_cast<int>(std::roundf(values[1] * exact)));
  // The first of two equal magnitudes gives the sign of the scale: 1 then -1 has d = -1/8.
  std::vector<float> pair(32, 0.0f);
  pair[0] = 1;
  pair[1] = -1;
  CHECK(quantized(WeightType::Q4_0, pair)[1] == 0xb0);
  CHECK(dequantized(WeightType::Q4_0, quantized(WeightType::Q4_0, pair), 32)[0] == 1.0f);
  std::swap(pair[0], pair[1]);
  CHECK(quantized(WeightType::Q4_0, pair)[1] == 0x30);
}

TEST_CASE("zeros, NaN and infinities stay within the format", "[quant]") {
  for (const WeightType type :
       {WeightType::Q4_0, WeightType::Q4_1, WeightType::Q5_0, WeightType::Q5_1, WeightType::Q8_0}) {
    INFO(weight_type_name(type));
    const std::vector<float> zeros(32, 0.0f);
    CHECK(dequantized(type, quantized(type, zeros), 32) == zeros);
    std::vector<float> odd = ramp();
    odd[4] = NAN;
    odd[5] = INFINITY;
    CHECK(quantized(type, odd).size() == bytes_of_row(type, 32));  // under a sanitizer: no UB
  }
}

TEST_CASE("quantised values are within half a step", "[quant]") {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.3f);
  std::vector<float> values(32 * 64);
  for (float& value : values) value = normal(random);
  const std::vector<std::pair<WeightType, float>> steps = {{WeightType::Q4_0, 8},
                                                           {WeightType::Q4_1, 7.5f},
                                                           {WeightType::Q5_0, 16},
                                                           {WeightType::Q5_1, 15.5f},
                                                           {WeightType::Q8_0, 127}};
  for (const auto& [type, codes] : steps) {
    INFO(weight_type_name(type));
    const std::vector<float> back = dequantized(type, quantized(type, values), values.size());
    for (size_t block = 0; block < values.size(); block += 32) {
      float peak = 0;
      for (size_t j = block; j < block + 32; ++j) peak = std::max(peak, std::fabs(values[j]));
      for (size_t j = block; j < block + 32; ++j) {
        // The most positive code of the symmetric types is one step short of the peak.
        REQUIRE(std::fabs(back[j] - values[j]) <= 1.02f * peak / codes);
      }
    }
  }
}

TEST_CASE("weights become tensors and change type, shape and order", "[quant]") {
  Tensor tensor = at::arange(0, 64, at::kFloat).view({2, 32});
  const WeightTensor weight = weight_of(tensor);
  CHECK(weight.type == WeightType::F32);
  CHECK(weight.size_bytes() == 256);
  CHECK(at::equal(weight.to_float(), tensor));
  CHECK(at::equal(transposed(weight).to_float(), tensor.t()));
  const WeightTensor eight = converted(weight, WeightType::Q8_0);
  CHECK(eight.size_bytes() == 68);
  CHECK((eight.to_float() - tensor).abs().max().item<float>() < 0.26f);
  CHECK(at::equal(converted(weight, WeightType::BF16).to_tensor(), tensor.to(at::kBFloat16)));
  CHECK(transposed(eight).type == WeightType::F32);
  CHECK(reshaped(weight, {64}).shape == std::vector<int64_t>{64});
  CHECK_THROWS_WITH(reshaped(weight, {65}), Contains("fp32 [2, 32]"));
  CHECK_THROWS_AS(reshaped(eight, {4, 16}), Error);
  CHECK_THROWS_AS(converted(transposed(weight), WeightType::Q4_0), Error);
  CHECK(weight_of(tensor.to(at::kHalf)).type == WeightType::F16);
  CHECK(weight_of(tensor.to(at::kDouble)).type == WeightType::F32);
  CHECK(weight_of(at::empty({0, 32})).to_float().sizes() == at::IntArrayRef({0, 32}));
}
