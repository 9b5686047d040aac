// See attention.h.
#include "core/kernels/attention.h"

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

std::pair<Tensor, Tensor> segment_attention(const SegmentRows& rows,
                                            const AttentionOptions& options) {
  return reference::segment_attention(rows, options);
}

Tensor cached_attention(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        bool causal, const Tensor& visible) {
  return reference::cached_attention(queries, keys, values, causal, visible);
}

}  // namespace rmkv::kernels
