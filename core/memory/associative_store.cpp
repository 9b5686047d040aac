// Delta-rule writes of a whole block at once; see associative_store.h.
#include "core/memory/associative_store.h"

#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// What each write adds to its key's row once earlier writes are accounted for, [B, H, n, D].
Tensor updates_of(const Tensor& store, const StoreWrites& writes) {
  // With u_t = b_t (v_t - S_{t-1}^T k_t) and S_{t-1} = S_0 + sum_{i<t} k_i u_i^T the updates solve
  // the unit lower triangular system (I + diag(b) strict_lower(K K^T)) U = diag(b) (V - K S_0), and
  // S_n = S_0 + K^T U.
  const Tensor& keys = writes.keys;
  const Tensor gates = writes.gates.unsqueeze(-1);
  const Tensor overlap = at::matmul(keys, keys.transpose(-1, -2)).tril(-1) * gates;
  const Tensor wanted = (writes.values - at::matmul(keys, store)) * gates;
  return at::linalg_solve_triangular(overlap, wanted, /*upper=*/false, /*left=*/true,
                                     /*unitriangular=*/true);
}

Tensor after(const Tensor& store, const StoreWrites& writes, const Tensor& updates) {
  return store + at::matmul(writes.keys.transpose(-1, -2), updates);
}

}  // namespace

Tensor delta_writes(const Tensor& store, const StoreWrites& writes) {
  return after(store, writes, updates_of(store, writes));
}

StoreBlock delta_block(const Tensor& store, const Tensor& queries, const StoreWrites& writes) {
  const Tensor updates = updates_of(store, writes);
  const Tensor seen = at::matmul(queries, writes.keys.transpose(-1, -2)).tril(-1);
  const Tensor reads = at::matmul(queries, store) + at::matmul(seen, updates);
  return {reads.transpose(1, 2).flatten(2), after(store, writes, updates)};
}

Tensor mix_rows(const Tensor& recent, const Tensor& rows, const Tensor& weights) {
  const int64_t width = weights.size(0), count = rows.size(1);
  const auto halves = at::cat({recent, rows}, 1).chunk(2, -1);
  const Tensor all = at::cat({halves[0], halves[0], halves[1]}, -1);
  Tensor mixed = all.narrow(1, width - 1, count) * weights[0];
  for (int64_t j = 1; j < width; ++j)
    mixed = at::addcmul(mixed, all.narrow(1, width - 1 - j, count), weights[j]);
  return mixed;
}

Tensor store_read(const Tensor& store, const Tensor& queries) {
  return at::matmul(queries, store).transpose(1, 2).flatten(2);
}

Tensor sparse_features(const Tensor& x, int64_t shifts) {
  const Tensor both = at::cat({x.relu(), x.neg().relu()}, -1);
  std::vector<Tensor> parts;
  for (int64_t shift = 1; shift <= shifts; ++shift) parts.push_back(both * both.roll(shift, -1));
  return at::cat(parts, -1);
}

Tensor unit_rows(const Tensor& x) {
  // 1e-6 only guards rows of zeros.
  return x / x.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-6);
}

}  // namespace rmkv
