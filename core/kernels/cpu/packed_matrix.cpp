// The choice of the inner loop; see packed_matrix.h.  Packing: panel_packing.h.
#include "core/kernels/cpu/packed_matrix.h"

#include <array>
#include <utility>

#include "core/base/error.h"
#include "core/kernels/cpu/packed_block.h"
#include "core/kernels/cpu/packed_float.h"

namespace rmkv::kernels::cpu {
namespace {

constexpr int64_t kPanel = PackedMatrix::kPanelOutputs;

// Calls fn with the type as a constant.
template <typename Fn>
void with_block_type(WeightType type, const Fn& fn) {
  switch (type) {
    case WeightType::Q4_0:
      return fn(std::integral_constant<WeightType, WeightType::Q4_0>{});
    case WeightType::Q4_1:
      return fn(std::integral_constant<WeightType, WeightType::Q4_1>{});
    case WeightType::Q5_0:
      return fn(std::integral_constant<WeightType, WeightType::Q5_0>{});
    case WeightType::Q5_1:
      return fn(std::integral_constant<WeightType, WeightType::Q5_1>{});
    default:
      return fn(std::integral_constant<WeightType, WeightType::Q8_0>{});
  }
}
template <typename Fn>
void with_float_type(WeightType type, const Fn& fn) {
  switch (type) {
    case WeightType::F16:
      return fn(std::integral_constant<WeightType, WeightType::F16>{});
    case WeightType::BF16:
      return fn(std::integral_constant<WeightType, WeightType::BF16>{});
    default:
      return fn(std::integral_constant<WeightType, WeightType::F32>{});
  }
}

// Tiles by number of rows.
using FloatTile = void (*)(const uint8_t*, const float*, int64_t, int64_t, float*, int64_t, bool);
using HalvesTile = void (*)(const uint8_t*, const bf16*, int64_t, int64_t, float*, int64_t, bool);
using BlockTile = void (*)(const uint8_t*, const CodeBlock*, int64_t, int64_t, float*, int64_t);
using ByteTile = void (*)(const uint8_t*, const ByteBlock*, int64_t, int64_t, float*, int64_t);

template <WeightType type, int... R>
constexpr std::array<FloatTile, sizeof...(R)> float_tiles(std::integer_sequence<int, R...>) {
  return {float_tile<type, R + 1>...};
}
template <int... R>
constexpr std::array<HalvesTile, sizeof...(R)> halves_tiles(std::integer_sequence<int, R...>) {
  return {halves_tile<R + 1>...};
}
template <WeightType type, int... R>
constexpr std::array<BlockTile, sizeof...(R)> block_tiles(std::integer_sequence<int, R...>) {
  return {block_tile<type, R + 1>...};
}
template <WeightType type, int... R>
constexpr std::array<ByteTile, sizeof...(R)> byte_tiles(std::integer_sequence<int, R...>) {
  return {byte_tile<type, R + 1>...};
}

// A panel of floats: blocks of inputs outside, so that each stays in the first cache for all rows.
template <typename Tile, typename X>
void multiply_panel(const Tile* tiles, const uint8_t* panel, int64_t input_bytes, const X* x,
                    int64_t x_stride, int64_t rows, int64_t inputs, float* y, int64_t y_stride) {
  for (int64_t i = 0; i < inputs; i += kInputBlock) {
    const int64_t count = std::min(kInputBlock, inputs - i);
    for_row_tiles(rows, kFloatRows, [&](int64_t r, int64_t tile_rows) {
      tiles[tile_rows - 1](panel + i * input_bytes, x + r * x_stride + i, x_stride, count,
                           y + r * y_stride, y_stride, i > 0);
    });
  }
}

}  // namespace

WeightType PackedMatrix::fitting(WeightType type, int64_t inputs) {
  if (is_quantized(type) && inputs % kBlockValues != 0) return WeightType::F16;
  if (type == WeightType::BF16 && inputs % 2 != 0) return WeightType::F32;
  return type;
}

PackedMatrix::PackedMatrix(WeightType type, int64_t outputs, int64_t inputs, const StoredRows& rows,
                           WeightArena& arena)
    : type_(type), outputs_(outputs), inputs_(inputs), panel_bytes_(bytes_of_panel(type, inputs)) {
  RMKV_ASSERT(outputs > 0 && inputs > 0 && fitting(type, inputs) == type);
  uint8_t* data = arena.allocate(size_bytes());
  pack_panels(type, outputs, inputs, rows, data);
  data_ = data;
}

RowForm PackedMatrix::row_form(bool fast) const {
  if (type_ == WeightType::Q4_0 || type_ == WeightType::Q4_1) return RowForm::kBytes;
  if (is_quantized(type_)) return RowForm::kCodes;
#if defined(__AVX512BF16__)
  if (fast && type_ == WeightType::BF16) return RowForm::kHalves;
#endif
  (void)fast;
  return RowForm::kFloat;
}

void PackedMatrix::multiply(const Rows& x, int64_t rows, RowForm form, float* y, int64_t y_stride,
                            int64_t first, int64_t last) const {
  using FloatCounts = std::make_integer_sequence<int, kFloatRows>;
  using BlockCounts = std::make_integer_sequence<int, kBlockRows>;
  using ByteCounts = std::make_integer_sequence<int, kByteRows>;
  for (int64_t p = first; p < last; ++p) {
    const uint8_t* panel = data_ + p * panel_bytes_;
    float* target = y + p * kPanel;
    if (form == RowForm::kBytes) {
      static constexpr auto zero = byte_tiles<WeightType::Q4_0>(ByteCounts{});
      static constexpr auto one = byte_tiles<WeightType::Q4_1>(ByteCounts{});
      const ByteTile* tiles = type_ == WeightType::Q4_0 ? zero.data() : one.data();
      for_row_tiles(rows, kByteRows, [&](int64_t r, int64_t count) {
        tiles[count - 1](panel, x.bytes + r * x.code_stride, x.code_stride, inputs_ / kBlockValues,
                         target + r * y_stride, y_stride);
      });
    } else if (form == RowForm::kCodes) {
      with_block_type(type_, [&](auto t) {
        if constexpr (BlockLayout<t()>::kBits > 4) {
          static constexpr auto tiles = block_tiles<t()>(BlockCounts{});
          for_row_tiles(rows, kBlockRows, [&](int64_t r, int64_t count) {
            tiles[static_cast<size_t>(count - 1)](panel, x.codes + r * x.code_stride, x.code_stride,
                                                  inputs_ / kBlockValues, target + r * y_stride,
                                                  y_stride);
          });
        }
      });
    } else if (form == RowForm::kHalves) {
      static constexpr auto tiles = halves_tiles(FloatCounts{});
      multiply_panel(tiles.data(), panel, kPanel * 2, x.halves, x.half_stride, rows, inputs_,
                     target, y_stride);
    } else {
      with_float_type(type_, [&](auto t) {
        static constexpr auto tiles = float_tiles<t()>(FloatCounts{});
        multiply_panel(tiles.data(), panel, kPanel * (type_ == WeightType::F32 ? 4 : 2), x.values,
                       x.stride, rows, inputs_, target, y_stride);
      });
    }
  }
}

}  // namespace rmkv::kernels::cpu
