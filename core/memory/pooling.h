// Pooling of a segment's attention output into what each memory slot writes, at once and token by
// token.
//
// Pooling reads the attention output after its output projection.  Both poolings commute with that
// projection, so these functions work on the rows before it and the caller projects M pooled rows
// instead of T token rows; a learned query meets the projected rows by being carried back through
// the projection (`carried_queries`). Source: memory-model.md, section 1: mean, or one learned
// query per slot, one head, scale C^-1/2, softmax in fp32.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv {

// queries [M, C], output weight [C, C] -> [M, C]: q' with q' . x = q . (weight x), scaled by
// C^-1/2.
Tensor carried_queries(const Tensor& queries, const Tensor& output_weight);

// rows: compute dtype [B, T, C]; kept: bool [B, T], rows that count (undefined: all).
// -> compute dtype [B, 1, C].  Lanes without a kept row give zeros.
Tensor mean_pool(const Tensor& rows, const Tensor& kept);
// queries: carried, [M, C] in the parameters' dtype -> compute dtype [B, M, C].
Tensor query_pool(const Tensor& rows, const Tensor& queries, const Tensor& kept);

// The same in pieces; all fp32 (fp64), written in place.
// sum [B, C] += the sum over the rows [B, n, C].
void accumulate_mean(const Tensor& rows, Tensor& sum);
// largest [B, M], denominator [B, M], numerator [B, M, C]: the running softmax of query_pool
// (Milakov and Gimelshein 2018); they start as -infinity, 0 and 0.
void accumulate_query(const Tensor& rows, const Tensor& queries, Tensor& largest,
                      Tensor& denominator, Tensor& numerator);

}  // namespace rmkv
