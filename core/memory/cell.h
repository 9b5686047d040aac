// The recurrent cell of a memory layer: old memory and what was read become the new memory.
//
// Runs once per segment over M slots of B lanes.  The memory is fp32 (fp64 in tests) whatever the
// dtype of the products.  No knowledge of layers, segments or commits. Source:
// memory-architectures.md, section 4.5; gate order as in PyTorch, so that published checkpoints
// load; the constant gate after Block-Recurrent Transformers.
#pragma once

#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

enum class CellKind { kGru, kLstm, kMinimal, kEma };

CellKind parse_cell(const std::string& name);  // "gru", "lstm", "minimal", "ema"
std::string cell_name(CellKind kind);
std::vector<std::string> cell_names();

// Weights of one cell, fp32 (fp64).  G is the number of stacked maps: gru 3 (reset, keep,
// candidate), lstm 4 (write, keep, candidate, output), minimal 2 (keep, candidate), ema 1
// (candidate).
struct CellWeights {
  Tensor input_weight;   // [G C, C]
  Tensor input_bias;     // [G C]
  Tensor hidden_weight;  // [G C, C]; undefined for ema
  Tensor hidden_bias;    // [G C]; gru only (its candidate's bias stands inside the reset), else
                         // undefined
  // [M, C], added to the pre-activation of the gate that keeps the old memory; for ema the whole of
  // it. Undefined: nothing is added.
  Tensor keep_bias;
  Tensor write_bias;  // [M, C], lstm only: likewise for the gate that writes
  // The original program's candidate c sigmoid(c) instead of tanh(c): unbounded; minimal cell only.
  bool unbounded_candidate = false;
};

struct CellState {
  Tensor hidden;  // [B, M, C]
  Tensor carry;   // [B, M, C], lstm only
};

int64_t cell_maps(CellKind kind);  // G

// The cell of one layer, prepared once for all segments of a forward pass.
class MemoryCell {
 public:
  // slots is M.  The weights must outlive no one: handles are kept.
  MemoryCell(CellKind kind, const CellWeights& weights, int64_t slots);

  // input: compute dtype [B, M, C]; state as above in the weights' dtype.
  CellState step(const Tensor& input, const CellState& state) const;

 private:
  Tensor maps_of_input(const Tensor& input) const;
  Tensor maps_of_hidden(const Tensor& hidden, at::ScalarType dtype) const;

  CellKind kind_;
  CellWeights weights_;
  Tensor bias_;  // [M, G C] or [G C]: shared and per-slot biases together
};

// Share of the old memory kept when input and hidden contribute nothing, [M, C] in (0, 1).
Tensor resting_keep_rate(CellKind kind, const CellWeights& weights);
// Segments after which half of a value is left at that rate.
Tensor half_life(const Tensor& keep_rate);

}  // namespace rmkv
