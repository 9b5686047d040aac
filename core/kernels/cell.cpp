// See cell.h.
#include "core/kernels/cell.h"

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor gru_cell(const Tensor& input, const Tensor& recurrent, const Tensor& hidden) {
  return reference::gru_cell(input, recurrent, hidden);
}

std::pair<Tensor, Tensor> lstm_cell(const Tensor& gates, const Tensor& cell) {
  return reference::lstm_cell(gates, cell);
}

Tensor minimal_cell(const Tensor& gates, const Tensor& hidden, bool bounded) {
  return reference::minimal_cell(gates, hidden, bounded);
}

Tensor ema_cell(const Tensor& keep, const Tensor& input, const Tensor& hidden) {
  return reference::ema_cell(keep, input, hidden);
}

}  // namespace rmkv::kernels
