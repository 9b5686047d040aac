// Weights of a model file as they lie in it: type, shape and a pointer into the mapped file, by
// name.
//
// What every reader of model files gives and what models and engines are built from.  Not here:
// names (core/checkpoint/rwkv_names.h), files (core/checkpoint/weight_file.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor/block_quant.h"
#include "core/tensor/tensor.h"

namespace rmkv {

// One tensor in C order, the last dimension contiguous; of quantised types it is a whole number of
// blocks.  Copying shares the bytes.
struct WeightTensor {
  WeightType type = WeightType::F32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;      // at any address: formats without padding do not align
  std::shared_ptr<const void> owner;  // keeps `data` alive: the mapped file, or memory of its own

  int64_t count() const;  // values
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const;  // count / columns; 0 when empty
  uint64_t size_bytes() const;

  // Writes the values of rows [first, last), the first of them at `to`.
  void rows_to_float(int64_t first, int64_t last, float* to) const;
  // fp32, its own memory, of `shape`.
  Tensor to_float() const;
  // The stored numbers in their own dtype where it is a float; quantised ones as fp32.
  Tensor to_tensor() const;
};

using WeightMap = std::map<std::string, WeightTensor>;

// Shares the memory of a CPU tensor (contiguous copy where needed): fp32, fp16 or bf16; other
// floats become fp32.
WeightTensor weight_of(const Tensor& tensor);
// The same values in another type, in memory of its own; itself where the type is the same.
// Throws when the rows are no whole blocks of it.
WeightTensor converted(const WeightTensor& weight, WeightType type);
// The last two dimensions exchanged, in memory of its own; quantised types become fp32.
WeightTensor transposed(const WeightTensor& weight);
// The same values under another shape of equal count; a quantised one keeps its last dimension.
WeightTensor reshaped(const WeightTensor& weight, std::vector<int64_t> shape);

// "q5_1 [128, 448]", for messages.
std::string weight_text(const WeightTensor& weight);

}  // namespace rmkv
