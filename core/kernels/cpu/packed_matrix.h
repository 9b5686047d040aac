// Weights packed for inference: products of few or many rows of activations with a matrix that is
// read once, from front to back.
//
// A matrix [O, K] (O outputs, K inputs) is cut into panels of 32 outputs; a panel holds, for each
// input in turn, its 32 weights side by side, so that a product streams linearly through memory and
// every output is one lane of an accumulator.  Each output is summed in the order of its inputs, in
// the same blocks, whatever the number of rows, threads or panels in a call: a row of a long block
// has the same bits as the row alone.  The bf16 form of the activations (RowForm::kHalves) is the
// exception by request.
//
// Blocks of 32 (Q4_0 .. Q8_0) keep ggml's values exactly; only their order changes.
// Not here: differentiable products (core/kernels/linear.h), file formats (core/tensor).
#pragma once

#include <cstdint>

#include "core/kernels/cpu/activation_rows.h"
#include "core/kernels/cpu/panel_packing.h"
#include "core/kernels/cpu/weight_arena.h"
#include "core/tensor/block_quant.h"

namespace rmkv::kernels::cpu {

class PackedMatrix {
 public:
  static constexpr int64_t kPanelOutputs = 32;

  PackedMatrix() = default;
  // Packs `rows` by LibTorch's threads; of another type they are converted through fp32.
  // `type` must fit the inputs: whole blocks of 32 for block types, an even number for bf16.
  PackedMatrix(WeightType type, int64_t outputs, int64_t inputs, const StoredRows& rows,
               WeightArena& arena);
  // The type nearest to `type` that such a matrix can have: rows that are no whole blocks become
  // fp16, odd rows of bf16 fp32.
  static WeightType fitting(WeightType type, int64_t inputs);

  bool empty() const { return data_ == nullptr; }
  WeightType type() const { return type_; }
  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }
  int64_t panels() const { return (outputs_ + kPanelOutputs - 1) / kPanelOutputs; }
  int64_t size_bytes() const { return panels() * panel_bytes_; }
  // The form of activations that `multiply` reads.  `fast` allows bf16 activations with bf16
  // weights, where the machine multiplies them at twice the speed.
  RowForm row_form(bool fast) const;

  // y fp32 [R, 32 * panels] (rows `y_stride` apart), columns of panels [first, last), = x W^T.
  // Columns beyond O become 0.  `x` holds the row form in rows of K inputs.
  void multiply(const Rows& x, int64_t rows, RowForm form, float* y, int64_t y_stride,
                int64_t first, int64_t last) const;

 private:
  WeightType type_ = WeightType::F32;
  int64_t outputs_ = 0, inputs_ = 0;
  int64_t panel_bytes_ = 0;
  const uint8_t* data_ = nullptr;  // of the arena
};

}  // namespace rmkv::kernels::cpu
