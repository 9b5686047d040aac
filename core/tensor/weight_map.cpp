// Conversions between stored weights and tensors.
#include "core/tensor/weight_map.h"

#include <cstring>

#include "core/tensor/torch.h"

namespace rmkv {

namespace {

at::ScalarType scalar_type(WeightType type) {
  if (type == WeightType::F16) return at::kHalf;
  if (type == WeightType::BF16) return at::kBFloat16;
  return at::kFloat;
}

}  // namespace

int64_t WeightTensor::count() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

int64_t WeightTensor::rows() const {
  return columns() == 0 ? 0 : count() / columns();
}

uint64_t WeightTensor::size_bytes() const {
  return bytes_of_row(type, columns()) * static_cast<uint64_t>(rows());
}

void WeightTensor::rows_to_float(int64_t first, int64_t last, float* to) const {
  const uint64_t row_bytes = bytes_of_row(type, columns());
  dequantize_rows(type, data + static_cast<uint64_t>(first) * row_bytes, to, last - first,
                  columns());
}

Tensor WeightTensor::to_float() const {
  Tensor result = at::empty(shape, at::kFloat);
  if (count() > 0) rows_to_float(0, rows(), result.mutable_data_ptr<float>());
  return result;
}

Tensor WeightTensor::to_tensor() const {
  if (is_quantized(type)) return to_float();
  Tensor result = at::empty(shape, scalar_type(type));
  if (count() > 0) std::memcpy(result.mutable_data_ptr(), data, result.nbytes());
  return result;
}

WeightTensor weight_of(const Tensor& tensor) {
  Tensor flat = tensor.detach().to(at::kCPU);
  if (flat.scalar_type() != at::kHalf && flat.scalar_type() != at::kBFloat16) {
    flat = flat.to(at::kFloat);
  }
  auto owner = std::make_shared<const Tensor>(flat.contiguous());
  WeightTensor weight;
  weight.type = flat.scalar_type() == at::kHalf       ? WeightType::F16
                : flat.scalar_type() == at::kBFloat16 ? WeightType::BF16
                                                      : WeightType::F32;
  weight.shape = flat.sizes().vec();
  weight.data = static_cast<const uint8_t*>(owner->const_data_ptr());
  weight.owner = std::move(owner);
  return weight;
}

WeightTensor converted(const WeightTensor& weight, WeightType type) {
  if (weight.type == type) return weight;
  WeightTensor result;
  result.type = type;
  result.shape = weight.shape;
  // A row at a time: a large matrix is never held as fp32 beside its two forms.
  const int64_t rows = weight.rows(), columns = weight.columns();
  const uint64_t from_row = bytes_of_row(weight.type, columns),
                 to_row = bytes_of_row(type, columns);
  auto bytes = std::make_shared<std::vector<uint8_t>>(to_row * static_cast<uint64_t>(rows));
  std::vector<float> row(static_cast<size_t>(columns));
  for (int64_t i = 0; i < rows; ++i) {
    dequantize_rows(weight.type, weight.data + static_cast<uint64_t>(i) * from_row, row.data(), 1,
                    columns);
    quantize_rows(type, row.data(), bytes->data() + static_cast<uint64_t>(i) * to_row, 1, columns);
  }
  result.data = bytes->data();
  result.owner = std::move(bytes);
  return result;
}

WeightTensor transposed(const WeightTensor& weight) {
  if (weight.shape.size() < 2) fail("transposed", weight_text(weight), "a matrix");
  return weight_of(weight.to_tensor().transpose(-1, -2).contiguous());
}

WeightTensor reshaped(const WeightTensor& weight, std::vector<int64_t> shape) {
  WeightTensor result = weight;
  result.shape = std::move(shape);
  if (result.count() != weight.count() ||
      (is_quantized(weight.type) && result.columns() % kBlockValues != 0)) {
    fail("reshaped", weight_text(weight), "as many values as " + shape_text(result.shape));
  }
  return result;
}

std::string weight_text(const WeightTensor& weight) {
  return std::string(weight_type_name(weight.type)) + " " + shape_text(weight.shape);
}

}  // namespace rmkv
