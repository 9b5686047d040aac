// One memory layer's work at a segment's border; see memory_layer.h.
#include "core/models/rmkv/memory_layer.h"

#include "core/kernels/activation.h"
#include "core/kernels/linear.h"
#include "core/kernels/norm.h"
#include "core/kernels/rwkv_rows.h"
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
  const Tensor normed = kernels::rms_norm(rows, layer_.norm, kNormEpsilon, compute_) + slot_id_;
  return normed_heads(config_, layer_, kernels::linear(normed, layer_.qkv));
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

Tensor normed_heads(const RmkvConfig& config, const RmkvLayer& layer, const Tensor& qkv) {
  if (!layer.query_norm.defined()) return qkv;
  const auto parts = qkv.chunk(3, -1);
  const auto normed = [&](const Tensor& x, const Tensor& weight) {
    const Tensor heads = x.unflatten(-1, {config.heads, config.head_dim()});
    return kernels::rms_norm(heads, weight, kNormEpsilon, x.scalar_type()).flatten(-2);
  };
  return at::cat({normed(parts[0], layer.query_norm), normed(parts[1], layer.key_norm), parts[2]},
                 -1);
}

Tensor feed_forward(const RmkvConfig& config, const RmkvLayer& layer, const Tensor& rows) {
  const Tensor inner = kernels::linear(rows, layer.ffn_in);
  return kernels::linear(
      config.ffn == FeedForward::kSwiGlu
          ? kernels::swiglu(inner)
          : kernels::apply_function(inner, kernels::RowFunction::kReluSquared, inner.scalar_type()),
      layer.ffn_out);
}

StoreMaps store_maps(const RmkvLayer& layer, const Tensor& hidden, const Tensor& tokens,
                     const Tensor& codes) {
  const auto wide = layer.store_gate_bias.scalar_type();
  const Tensor gates =
      at::sigmoid(kernels::linear(hidden, layer.store_gate).to(wide) + layer.store_gate_bias);
  Tensor rows;
  if (layer.store_map.defined()) rows = kernels::linear(hidden, layer.store_map).to(wide);
  if (layer.store_strength.defined()) {
    const Tensor code = at::embedding(codes, tokens);
    const Tensor strength = layer.store_strength.index_select(0, tokens.reshape({-1}));
    const Tensor addresses = code * strength.view_as(tokens).unsqueeze(-1);
    rows = at::cat({addresses, rows.defined() ? rows : code}, -1);
  }
  return {rows, gates.transpose(1, 2)};
}

Tensor store_mixing(const RmkvLayer& layer) {
  if (!layer.store_strength.defined()) return layer.store_mix;
  // A key is the query of the token before; a value is that of its own token.
  const Tensor nothing = at::zeros_like(layer.store_mix.narrow(0, 0, 1));
  const Tensor value =
      at::constant_pad_nd(at::ones_like(nothing), {0, 0, 0, layer.store_mix.size(0)});
  return at::cat({at::cat({layer.store_mix, nothing}), at::cat({nothing, layer.store_mix}), value},
                 1);
}

StoreRows store_rows(const RmkvConfig& config, const Tensor& qkv, const Tensor& gates) {
  const auto heads = [&](const Tensor& x) {  // [B, n, C] -> [B, H, n, D]
    return x.unflatten(-1, {config.store_head_count(), config.store_head_dim()}).transpose(1, 2);
  };
  const auto parts = qkv.chunk(3, -1);
  const auto address = [&](const Tensor& x) {
    return unit_rows(config.store_features > 0 ? sparse_features(x, config.store_features) : x);
  };
  return {address(heads(parts[0])), {address(heads(parts[1])), heads(parts[2]), gates}};
}

Tensor store_decay(const RmkvLayer& layer) {
  return at::sigmoid(layer.store_decay).view({-1, 1, 1});
}

}  // namespace rmkv
