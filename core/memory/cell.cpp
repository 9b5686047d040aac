// The four memory cells; see cell.h.
#include "core/memory/cell.h"

#include "core/base/error.h"
#include "core/kernels/cell.h"
#include "core/kernels/linear.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// Position of the keep gate among the stacked maps.
int64_t keep_map(CellKind kind) {
  return kind == CellKind::kMinimal ? 0 : 1;
}

// Biases [G C] with the per-slot ones added to their gates: [M, G C].
Tensor stacked_bias(CellKind kind, const CellWeights& weights, int64_t slots) {
  if (kind == CellKind::kEma || !weights.keep_bias.defined()) return weights.input_bias;
  const int64_t channels = weights.input_weight.size(1);
  std::vector<Tensor> parts;
  for (int64_t map = 0; map < cell_maps(kind); ++map) {
    Tensor part = weights.input_bias.narrow(0, map * channels, channels).expand({slots, channels});
    if (map == keep_map(kind)) part = part + weights.keep_bias;
    if (kind == CellKind::kLstm && map == 0) part = part + weights.write_bias;
    parts.push_back(part);
  }
  return at::cat(parts, 1);
}

}  // namespace

std::vector<std::string> cell_names() {
  return {"gru", "lstm", "minimal", "ema"};
}

CellKind parse_cell(const std::string& name) {
  const auto names = cell_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<CellKind>(i);
  }
  fail_because("cell", unknown_name_text("cell", name, names));
}

std::string cell_name(CellKind kind) {
  return cell_names()[static_cast<size_t>(kind)];
}

int64_t cell_maps(CellKind kind) {
  constexpr int64_t kMaps[] = {3, 4, 2, 1};
  return kMaps[static_cast<size_t>(kind)];
}

MemoryCell::MemoryCell(CellKind kind, const CellWeights& weights, int64_t slots)
    : kind_(kind), weights_(weights), bias_(stacked_bias(kind, weights, slots)) {}

Tensor MemoryCell::maps_of_input(const Tensor& input) const {
  return kernels::linear(input, weights_.input_weight) + bias_;
}

Tensor MemoryCell::maps_of_hidden(const Tensor& hidden, at::ScalarType dtype) const {
  return kernels::linear(hidden.to(dtype), weights_.hidden_weight, weights_.hidden_bias);
}

CellState MemoryCell::step(const Tensor& input, const CellState& state) const {
  const Tensor maps = maps_of_input(input);
  if (kind_ == CellKind::kEma) {
    return {kernels::ema_cell(weights_.keep_bias, at::tanh(maps), state.hidden), {}};
  }
  const Tensor recurrent = maps_of_hidden(state.hidden, input.scalar_type());
  switch (kind_) {
    case CellKind::kGru:
      return {kernels::gru_cell(maps, recurrent, state.hidden), {}};
    case CellKind::kLstm: {
      const auto [hidden, carry] = kernels::lstm_cell(maps + recurrent, state.carry);
      return {hidden, carry};
    }
    default:
      return {kernels::minimal_cell(maps + recurrent, state.hidden, !weights_.unbounded_candidate),
              {}};
  }
}

Tensor resting_keep_rate(CellKind kind, const CellWeights& weights) {
  at::NoGradGuard no_grad;
  if (kind == CellKind::kEma) return at::sigmoid(weights.keep_bias);
  const int64_t channels = weights.input_weight.size(1), first = keep_map(kind) * channels;
  Tensor rest = weights.input_bias.narrow(0, first, channels).unsqueeze(0);
  if (weights.hidden_bias.defined()) rest = rest + weights.hidden_bias.narrow(0, first, channels);
  if (weights.keep_bias.defined()) rest = rest + weights.keep_bias;
  return at::sigmoid(rest);
}

Tensor half_life(const Tensor& keep_rate) {
  return keep_rate.log2().reciprocal().neg();
}

}  // namespace rmkv
