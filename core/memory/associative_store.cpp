// Delta-rule writes of a whole block at once; see associative_store.h.
#include "core/memory/associative_store.h"

#include "core/tensor/torch.h"

namespace rmkv {

Tensor delta_writes(const Tensor& store, const StoreWrites& writes) {
  // With u_t = b_t (v_t - S_{t-1}^T k_t) and S_{t-1} = S_0 + sum_{i<t} k_i u_i^T the updates solve
  // the unit lower triangular system (I + diag(b) strict_lower(K K^T)) U = diag(b) (V - K S_0), and
  // S_n = S_0 + K^T U.
  const Tensor& keys = writes.keys;
  const Tensor gates = writes.gates.unsqueeze(-1);
  const Tensor overlap = at::matmul(keys, keys.transpose(-1, -2)).tril(-1) * gates;
  const Tensor wanted = (writes.values - at::matmul(keys, store)) * gates;
  const Tensor updates = at::linalg_solve_triangular(overlap, wanted, /*upper=*/false,
                                                     /*left=*/true, /*unitriangular=*/true);
  return store + at::matmul(keys.transpose(-1, -2), updates);
}

Tensor store_read(const Tensor& store, const Tensor& queries) {
  return at::matmul(queries, store).transpose(1, 2).flatten(2);
}

Tensor unit_rows(const Tensor& x) {
  // 1e-6 only guards rows of zeros.
  return x / x.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-6);
}

}  // namespace rmkv
