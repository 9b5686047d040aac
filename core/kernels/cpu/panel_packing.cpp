// See panel_packing.h.
#include "core/kernels/cpu/panel_packing.h"

#include <vector>

#include "core/kernels/cpu/packed_block.h"
#include "core/kernels/cpu/packed_matrix.h"
#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

constexpr int64_t kPanel = PackedMatrix::kPanelOutputs;

// The rows of one panel, in its type.
struct PanelRows {
  const uint8_t* row[kPanel];
  int64_t count;
};

// panel[i][o] = row[o][i], in tiles that stay in the first cache.
template <typename Unit>
void interleave(const PanelRows& rows, int64_t units, uint8_t* panel) {
  constexpr int64_t kTile = 64 / sizeof(Unit);  // a cache line of every row
  Unit tile[kPanel][kTile] = {}, line[kPanel];
  for (int64_t i = 0; i < units; i += kTile) {
    const int64_t size = std::min(kTile, units - i);
    for (int64_t o = 0; o < rows.count; ++o) {
      std::memcpy(tile[o], rows.row[o] + static_cast<size_t>(i) * sizeof(Unit),
                  static_cast<size_t>(size) * sizeof(Unit));
    }
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t o = 0; o < kPanel; ++o) line[o] = tile[o][j];
      std::memcpy(panel + static_cast<size_t>(i + j) * sizeof line, line, sizeof line);
    }
  }
}

// One block of 32 inputs of output `o` into the panel's block.  Codes move as words of four inputs,
// which both formats keep together.
template <WeightType type>
void pack_block(const uint8_t* block, int64_t o, uint8_t* panel_block) {
  using Layout = BlockLayout<type>;
  constexpr int64_t kHead = Layout::kHasMinimum ? 4 : 2;
  constexpr int kWords = Layout::kBits == 8 ? 8 : 4;
  std::memcpy(panel_block + 2 * o, block, 2);
  if constexpr (Layout::kHasMinimum) std::memcpy(panel_block + 64 + 2 * o, block + 2, 2);
  const uint8_t* at = block + kHead;
  const int v = static_cast<int>(o / kLanes);
  const int64_t lane = o % kLanes;
  if constexpr (Layout::kBits == 5) {
    uint32_t high;
    std::memcpy(&high, at, sizeof high);
    at += sizeof high;
    for (int j = 0; j < 8; ++j) {
      const uint32_t four = high >> (4 * j) & 15;
      panel_block[Layout::high_place(v, j) + lane / 2] |=
          static_cast<uint8_t>(four << (lane % 2 * 4));
    }
  }
  for (int j = 0; j < kWords; ++j) {
    uint32_t word;
    std::memcpy(&word, at + 4 * j, sizeof word);
    if constexpr (Layout::kBits == 8) word ^= 0x80808080u;
    std::memcpy(panel_block + Layout::code_place(v, j) + 4 * lane, &word, sizeof word);
  }
}

template <WeightType type>
void pack_blocks(const PanelRows& rows, int64_t blocks, uint8_t* panel) {
  const auto block_bytes = static_cast<int64_t>(bytes_of_row(type, kBlockValues));
  for (int64_t b = 0; b < blocks; ++b, panel += BlockLayout<type>::kBytes) {
    for (int64_t o = 0; o < rows.count; ++o) {
      pack_block<type>(rows.row[o] + b * block_bytes, o, panel);
    }
  }
}

void pack_panel(WeightType type, const PanelRows& rows, int64_t inputs, uint8_t* panel) {
  const int64_t blocks = inputs / kBlockValues;
  switch (type) {
    case WeightType::F32:
      return interleave<uint32_t>(rows, inputs, panel);
    case WeightType::F16:
      return interleave<uint16_t>(rows, inputs, panel);
    case WeightType::BF16:  // in pairs of inputs
      return interleave<uint32_t>(rows, inputs / 2, panel);
    case WeightType::Q4_0:
      return pack_blocks<WeightType::Q4_0>(rows, blocks, panel);
    case WeightType::Q4_1:
      return pack_blocks<WeightType::Q4_1>(rows, blocks, panel);
    case WeightType::Q5_0:
      return pack_blocks<WeightType::Q5_0>(rows, blocks, panel);
    case WeightType::Q5_1:
      return pack_blocks<WeightType::Q5_1>(rows, blocks, panel);
    case WeightType::Q8_0:
      return pack_blocks<WeightType::Q8_0>(rows, blocks, panel);
  }
}

// Rows of a panel in its type: those stored, or converted ones.
class RowReader {
 public:
  RowReader(WeightType type, int64_t inputs, const StoredRows& stored)
      : type_(type), inputs_(inputs), stored_(stored) {
    if (type == stored.type) return;
    values_.resize(static_cast<size_t>(inputs));
    converted_.resize(bytes_of_row(type, inputs) * kPanel);
  }

  PanelRows read(int64_t first, int64_t count) {
    PanelRows rows{{}, count};
    const uint64_t from_bytes = bytes_of_row(stored_.type, inputs_),
                   to_bytes = bytes_of_row(type_, inputs_);
    for (int64_t o = 0; o < count; ++o) {
      const uint8_t* from = stored_.data + static_cast<uint64_t>(first + o) * from_bytes;
      rows.row[o] = from;
      if (type_ == stored_.type) continue;
      uint8_t* to = converted_.data() + static_cast<uint64_t>(o) * to_bytes;
      dequantize_rows(stored_.type, from, values_.data(), 1, inputs_);
      quantize_rows(type_, values_.data(), to, 1, inputs_);
      rows.row[o] = to;
    }
    return rows;
  }

 private:
  const WeightType type_;
  const int64_t inputs_;
  const StoredRows stored_;
  std::vector<float> values_;       // [inputs]
  std::vector<uint8_t> converted_;  // [32] rows of `type`
};

}  // namespace

int64_t bytes_of_panel(WeightType type, int64_t inputs) {
  const int64_t blocks = inputs / kBlockValues;
  switch (type) {
    case WeightType::F32:
      return inputs * kPanel * 4;
    case WeightType::F16:
    case WeightType::BF16:
      return inputs * kPanel * 2;
    case WeightType::Q4_0:
      return blocks * BlockLayout<WeightType::Q4_0>::kBytes;
    case WeightType::Q4_1:
      return blocks * BlockLayout<WeightType::Q4_1>::kBytes;
    case WeightType::Q5_0:
      return blocks * BlockLayout<WeightType::Q5_0>::kBytes;
    case WeightType::Q5_1:
      return blocks * BlockLayout<WeightType::Q5_1>::kBytes;
    case WeightType::Q8_0:
      return blocks * BlockLayout<WeightType::Q8_0>::kBytes;
  }
  return 0;
}

void pack_panels(WeightType type, int64_t outputs, int64_t inputs, const StoredRows& rows,
                 uint8_t* panels) {
  const int64_t count = (outputs + kPanel - 1) / kPanel, bytes = bytes_of_panel(type, inputs);
  parallel_for(count, grain_of(kPanel * inputs), [&](int64_t first, int64_t last) {
    RowReader reader(type, inputs, rows);
    for (int64_t p = first; p < last; ++p) {
      const int64_t row = p * kPanel;
      pack_panel(type, reader.read(row, std::min(kPanel, outputs - row)), inputs,
                 panels + p * bytes);
    }
  });
}

}  // namespace rmkv::kernels::cpu
