// One memory layer's work at a segment's border; see memory_layer.h.
#include "core/models/rmkv/memory_layer.h"

#include "core/kernels/linear.h"
#include "core/kernels/norm.h"
#include "core/memory/pooling.h"
#include "core/tensor/torch.h"

namespace rmkv {

MemoryLayer::MemoryLayer(const RmkvConfig& config, const RmkvLayer& layer, at::ScalarType compute)
    : config_(config),
      layer_(layer),
      compute_(compute),
      slot_id_(layer.slot_id.to(compute)),
      queries_(layer.pool_query.defined() ? carried_queries(layer.pool_query, layer.out)
                                          : Tensor()),
      cell_(config.cell, layer.cell, config.slots) {}

Tensor MemoryLayer::projected(const Tensor& rows) const {
  return kernels::linear(kernels::rms_norm(rows, layer_.norm, kNormEpsilon, compute_) + slot_id_,
                         layer_.qkv);
}

Tensor MemoryLayer::pool(const Tensor& rows, const Tensor& kept) const {
  return queries_.defined() ? query_pool(rows, queries_, kept) : mean_pool(rows, kept);
}

CellState MemoryLayer::commit(const Tensor& read, const Tensor& pooled, const CellState& old,
                              Tensor& stream) const {
  const int64_t slots = read.size(1);
  const auto parts = kernels::linear(at::cat({read, pooled}, 1), layer_.out)
                         .split_with_sizes({slots, pooled.size(1)}, 1);
  Tensor written = parts[0];
  if (stream.defined()) {
    stream = stream + written;
    written = stream.to(compute_);
  }
  const Tensor both = at::cat({written, parts[1].expand({-1, slots, -1})}, 2);
  return cell_.step(kernels::linear(both, layer_.cell_input), old);
}

StoreRows store_rows(const RmkvConfig& config, const RmkvLayer& layer, const Tensor& hidden) {
  const auto wide = layer.store_qkv.scalar_type();
  const auto heads = [&](const Tensor& x) {  // [B, n, C] -> [B, H, n, D]
    return x.unflatten(-1, {config.heads, config.head_dim()}).transpose(1, 2);
  };
  const auto parts = kernels::linear(hidden, layer.store_qkv).to(wide).chunk(3, -1);
  const Tensor gates =
      at::sigmoid(kernels::linear(hidden, layer.store_gate).to(wide) + layer.store_gate_bias);
  return {unit_rows(heads(parts[0])),
          {unit_rows(heads(parts[1])), heads(parts[2]), gates.transpose(1, 2)}};
}

Tensor store_decay(const RmkvLayer& layer) {
  return at::sigmoid(layer.store_decay).view({-1, 1, 1});
}

}  // namespace rmkv
