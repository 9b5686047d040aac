// The recurrences of the RWKV family as plain compositions, token by token; see reference.h and
// wkv.h.
#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::reference {
namespace {

// Which lanes forget, and which see padding, at token t: bool [B, 1, 1, 1] (or fewer ones);
// undefined without marks.
Tensor lanes_marked(const Tensor& marks, int64_t t, int64_t bit, int64_t dimensions) {
  if (!marks.defined()) return {};
  std::vector<int64_t> shape(static_cast<size_t>(dimensions), 1);
  shape[0] = marks.size(0);
  return marks.select(1, t).bitwise_and(bit).ne(0).view(shape);
}

// Runs one token after another: step(t, state) -> (row, next state), rows [B, ..] joined along 1.
template <typename Step>
std::pair<Tensor, Tensor> scan(int64_t tokens, const Tensor& start, const Tensor& fresh,
                               const Tensor& marks, const Step& step) {
  Tensor state = start;
  std::vector<Tensor> rows;
  for (int64_t t = 0; t < tokens; ++t) {
    const Tensor forgets = lanes_marked(marks, t, kMarkReset, state.dim());
    if (forgets.defined()) state = at::where(forgets, fresh.to(state.scalar_type()), state);
    auto [row, next] = step(t, state);
    const Tensor skips = lanes_marked(marks, t, kMarkSkip, state.dim());
    if (skips.defined()) {
      next = at::where(skips, state, next);
      row = at::where(lanes_marked(marks, t, kMarkSkip, row.dim()), at::zeros_like(row), row);
    }
    rows.push_back(row);
    state = next;
  }
  return {at::stack(rows, 1), state};
}

Tensor fresh_state(const Tensor& reset, const Tensor& state) {
  return reset.defined() ? reset.unsqueeze(0) : at::zeros({1, 1, 1, 1}, state.options());
}

}  // namespace

std::pair<Tensor, Tensor> wkv4(const Tensor& key, const Tensor& value, const Tensor& decay,
                               const Tensor& bonus, const Tensor& state, const Tensor& marks) {
  const at::ScalarType dtype = arithmetic_dtype(key.scalar_type());
  const Tensor k = key.to(dtype), v = value.to(dtype);
  const Tensor fresh = wkv4_empty_state(1, key.size(2), state.options());
  auto [rows, last] = scan(key.size(1), state, fresh, marks, [&](int64_t t, const Tensor& s) {
    const Tensor a = s.select(1, 0), b = s.select(1, 1), p = s.select(1, 2);
    const Tensor kt = k.select(1, t), vt = v.select(1, t);
    const Tensor q = at::maximum(p, bonus + kt), old = (p - q).exp(), now = (bonus + kt - q).exp();
    const Tensor row = (old * a + now * vt) / (old * b + now);
    const Tensor next = at::maximum(p + decay, kt);
    const Tensor kept = (p + decay - next).exp(), added = (kt - next).exp();
    return std::pair(row, at::stack({kept * a + added * vt, kept * b + added, next}, 1));
  });
  return {rows.to(key.scalar_type()), last};
}

std::pair<Tensor, Tensor> wkv(const Tensor& receptance, const Tensor& key, const Tensor& value,
                              const Tensor& decay, const Tensor& bonus, const Tensor& state,
                              const Tensor& reset, const Tensor& marks) {
  const at::ScalarType dtype = arithmetic_dtype(key.scalar_type());
  const Tensor r = receptance.to(dtype), k = key.to(dtype), v = value.to(dtype);
  const Tensor fresh = fresh_state(reset, state);
  auto [rows, last] = scan(key.size(1), state, fresh, marks, [&](int64_t t, const Tensor& s) {
    const Tensor outer = k.select(1, t).unsqueeze(-1) * v.select(1, t).unsqueeze(-2);
    const Tensor seen = s + bonus.unsqueeze(-1) * outer;  // [B, H, key, value]
    const Tensor row = (r.select(1, t).unsqueeze(-1) * seen).sum(-2);
    const Tensor w = decay.dim() == 2 ? decay : decay.select(1, t);
    return std::pair(row, w.unsqueeze(-1) * s + outer);
  });
  return {rows.to(key.scalar_type()), last};
}

std::pair<Tensor, Tensor> wkv7(const Wkv7Rows& given, const Tensor& state, const Tensor& reset,
                               const Tensor& marks) {
  const at::ScalarType dtype = arithmetic_dtype(given.key.scalar_type());
  const Tensor r = given.receptance.to(dtype), w = given.decay.to(dtype), k = given.key.to(dtype),
               v = given.value.to(dtype), z = given.removal.to(dtype),
               b = given.replacement.to(dtype);
  const Tensor fresh = fresh_state(reset, state);
  auto [rows, last] = scan(k.size(1), state, fresh, marks, [&](int64_t t, const Tensor& s) {
    const auto column = [t](const Tensor& x) { return x.select(1, t).unsqueeze(-1); };
    const auto row_of = [t](const Tensor& x) { return x.select(1, t).unsqueeze(-2); };
    const Tensor removed = at::matmul(s, column(z));  // [B, H, value, 1]
    const Tensor next = s * row_of(w) + removed * row_of(b) + column(v) * row_of(k);
    return std::pair(at::matmul(next, column(r)).squeeze(-1), next);
  });
  return {rows.to(given.key.scalar_type()), last};
}

std::pair<Tensor, Tensor> token_shift(const Tensor& x, const Tensor& previous,
                                      const Tensor& marks) {
  const Tensor fresh = at::zeros({1, 1}, previous.options());
  return scan(x.size(1), previous, fresh, marks, [&](int64_t t, const Tensor& before) {
    const Tensor row = x.select(1, t);
    return std::pair((before - row).to(x.scalar_type()), row.to(previous.scalar_type()));
  });
}

Tensor mix_rows(const Tensor& x, const Tensor& difference, const Tensor& mixes,
                const Tensor& deltas) {
  const at::ScalarType dtype = arithmetic_dtype(x.scalar_type());
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()) + 1, 1);
  shape.front() = mixes.size(0);
  shape.back() = mixes.size(1);
  Tensor share = mixes.to(dtype).view(shape);
  if (deltas.defined()) share = share + deltas.to(dtype);
  return (x.to(dtype) + difference.to(dtype) * share).to(x.scalar_type());
}

}  // namespace rmkv::kernels::reference
