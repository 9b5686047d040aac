// Attention as matmul, masked softmax, matmul: see reference.h.
#include <cmath>
#include <limits>

#include "core/kernels/reference.h"
#include "core/kernels/rotary.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::reference {
namespace {

// [B, n, H, D] x [B, N, H, D] with `allowed` bool, broadcast to [B, H, n, N] -> [B, n, H*D].
// A row that may see nothing gives zeros.
Tensor masked_attention(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        const Tensor& allowed) {
  const auto dtype = queries.scalar_type();
  const double scale = 1.0 / std::sqrt(static_cast<double>(queries.size(3)));
  Tensor scores =
      at::matmul(queries.transpose(1, 2), keys.permute({0, 2, 3, 1})).to(arithmetic_dtype(dtype));
  scores =
      (scores * scale).masked_fill(allowed.logical_not(), -std::numeric_limits<double>::infinity());
  const Tensor seen = allowed.any(-1, /*keepdim=*/true);
  scores = scores.masked_fill(seen.logical_not(), 0.0);
  const Tensor weights = at::softmax(scores, -1).masked_fill(seen.logical_not(), 0.0).to(dtype);
  return at::matmul(weights, values.transpose(1, 2)).transpose(1, 2).flatten(2);
}

Tensor causal_columns(int64_t rows, int64_t columns, at::Device device) {
  return at::ones({rows, columns}, at::TensorOptions().dtype(at::kBool).device(device))
      .tril(columns - rows);
}

}  // namespace

std::pair<Tensor, Tensor> segment_attention(const SegmentRows& rows,
                                            const AttentionOptions& options) {
  const int64_t batch = rows.tokens.size(0), tokens = rows.tokens.size(1),
                channels = rows.tokens.size(2) / 3;
  const int64_t memory = rows.memory.defined() ? rows.memory.size(1) : 0;
  const int64_t bridge = rows.bridge.defined() ? rows.bridge.size(1) : 0;
  const auto device = rows.tokens.device();
  auto heads = [&](const Tensor& columns) {  // [B, n, C] -> [B, n, H, D]
    return columns.unflatten(-1, {options.heads, channels / options.heads});
  };
  auto turned = [&](const Tensor& x, int64_t offset) {
    return options.rotary ? reference::rotate(x, offset, options.rotary_base) : x;
  };
  std::vector<Tensor> queries, keys, values;
  if (memory > 0) {
    const auto parts = rows.memory.chunk(3, -1);
    queries.push_back(heads(parts[0]));
    keys.push_back(heads(parts[1]));
    values.push_back(heads(parts[2]));
  }
  if (bridge > 0) {
    const Tensor pair = rows.bridge.narrow(-1, rows.bridge.size(-1) - 2 * channels, 2 * channels);
    keys.push_back(turned(heads(pair.narrow(-1, 0, channels)), -bridge));
    values.push_back(heads(pair.narrow(-1, channels, channels)));
  }
  const auto parts = rows.tokens.chunk(3, -1);
  queries.push_back(turned(heads(parts[0]), 0));
  keys.push_back(turned(heads(parts[1]), 0));
  values.push_back(heads(parts[2]));

  const auto flags = at::TensorOptions().dtype(at::kBool).device(device);
  Tensor allowed = at::ones({memory + tokens, memory + bridge + tokens}, flags);
  allowed.slice(0, 0, memory).slice(1, memory, memory + bridge).fill_(false);
  allowed.slice(0, memory).slice(1, memory + bridge).copy_(causal_columns(tokens, tokens, device));
  allowed = allowed.view({1, 1, memory + tokens, memory + bridge + tokens});
  if (rows.visible.defined()) {
    const Tensor columns = at::cat({at::ones({batch, memory}, flags), rows.visible}, 1);
    allowed = allowed.logical_and(columns.view({batch, 1, 1, -1}));
  }
  const Tensor mixed =
      masked_attention(at::cat(queries, 1), at::cat(keys, 1), at::cat(values, 1), allowed);
  return {memory > 0 ? mixed.narrow(1, 0, memory) : Tensor(), mixed.narrow(1, memory, tokens)};
}

Tensor cached_attention(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        bool causal, const Tensor& visible) {
  const int64_t rows = queries.size(1), columns = keys.size(1);
  const auto flags = at::TensorOptions().dtype(at::kBool).device(queries.device());
  Tensor allowed =
      causal ? causal_columns(rows, columns, queries.device()) : at::ones({rows, columns}, flags);
  allowed = allowed.view({1, 1, rows, columns});
  if (visible.defined()) {
    allowed = allowed.logical_and(visible.view({-1, 1, 1, columns}));
  }
  return masked_attention(queries, keys, values, allowed);
}

}  // namespace rmkv::kernels::reference
