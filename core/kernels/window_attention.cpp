// See window_attention.h.
#include "core/kernels/window_attention.h"

#include "core/kernels/cpu/window_attention.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

cpu::WindowShape shape_of(const Tensor& queries, const Tensor& ring, int64_t key_heads) {
  return {queries.size(0), queries.size(1), ring.size(1),
          queries.size(2), key_heads,       queries.size(3)};
}

template <typename T>
cpu::WindowInputs<T> inputs(const Tensor& queries, const Tensor& fresh, const Tensor& ring,
                            const Tensor& start, const Tensor& low) {
  return {queries.const_data_ptr<T>(),
          queries.stride(0),
          queries.stride(1),
          fresh.const_data_ptr<T>(),
          fresh.stride(0),
          fresh.stride(1),
          ring.const_data_ptr<T>(),
          start.const_data_ptr<int64_t>(),
          low.const_data_ptr<int64_t>()};
}

class WindowFunction : public torch::autograd::Function<WindowFunction> {
 public:
  // queries and fresh with dense rows, the rest contiguous.
  static Tensor forward(AutogradContext* ctx, const Tensor& queries, const Tensor& fresh,
                        const Tensor& ring, const Tensor& start, const Tensor& low,
                        int64_t key_heads) {
    const cpu::WindowShape shape = shape_of(queries, ring, key_heads);
    Tensor out = at::empty({shape.batch, shape.tokens, shape.heads * shape.head_channels},
                           queries.options());
    Tensor log_sums =
        at::empty({shape.batch, shape.heads, shape.tokens}, queries.options().dtype(at::kFloat));
    with_row_type(queries.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::window_forward<T>(shape, inputs<T>(queries, fresh, ring, start, low),
                             out.mutable_data_ptr<T>(), log_sums.mutable_data_ptr<float>());
    });
    ctx->save_for_backward({queries, fresh, ring, start, low, log_sums});
    ctx->saved_data["key_heads"] = key_heads;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &queries = saved[0], &fresh = saved[1], &ring = saved[2];
    const cpu::WindowShape shape = shape_of(queries, ring, ctx->saved_data["key_heads"].toInt());
    const Tensor grad_out = grads[0].contiguous();
    const auto like = [](const Tensor& x) { return at::empty(x.sizes(), x.options()); };
    Tensor grad_queries = like(queries), grad_fresh = like(fresh), grad_ring;
    if (ctx->needs_input_grad(2)) grad_ring = like(ring);
    with_row_type(queries.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::window_backward<T>(shape, inputs<T>(queries, fresh, ring, saved[3], saved[4]),
                              saved[5].const_data_ptr<float>(), grad_out.const_data_ptr<T>(),
                              grad_queries.mutable_data_ptr<T>(), grad_fresh.mutable_data_ptr<T>(),
                              grad_ring.defined() ? grad_ring.mutable_data_ptr<T>() : nullptr);
    });
    return {grad_queries, grad_fresh, grad_ring, Tensor(), Tensor(), Tensor()};
  }
};

// Rows whose numbers lie side by side; strides that a bf16 pair may straddle are copied away.
Tensor with_dense_rows(const Tensor& x) {
  const bool dense = x.stride(-1) == 1 && (x.dim() == 3 || x.stride(2) == x.size(3)) &&
                     x.stride(0) % 2 == 0 && x.stride(1) % 2 == 0;
  return dense ? x : x.contiguous();
}

}  // namespace

Tensor window_attention(const WindowRows& rows, int64_t key_heads) {
  check_shape(rows.queries, "window_attention.queries", {-1, -1, -1, -1}, "BTHD");
  const int64_t B = rows.queries.size(0), T = rows.queries.size(1), H = rows.queries.size(2),
                D = rows.queries.size(3);
  check_shape(rows.fresh, "window_attention.fresh", {B, T, 2 * key_heads * D}, "BTK");
  check_shape(rows.ring, "window_attention.ring", {B, -1, 2 * key_heads * D}, "BRK");
  check_shape(rows.start, "window_attention.start", {B}, "B");
  check_shape(rows.low, "window_attention.low", {B, T}, "BT");
  if (H % key_heads != 0) {
    fail("window_attention", std::to_string(H) + " heads",
         "a multiple of " + std::to_string(key_heads) + " key heads");
  }
  // The kernel moves whole vectors of lanes, of 16 pairs in bf16.
  if (!has_fused_form(rows.queries) || D % 32 != 0) {
    return reference::window_attention(rows, key_heads);
  }
  return WindowFunction::apply(with_dense_rows(rows.queries), with_dense_rows(rows.fresh),
                               rows.ring.contiguous(), rows.start.contiguous(),
                               rows.low.contiguous(), key_heads);
}

namespace reference {

Tensor window_attention(const WindowRows& rows, int64_t key_heads) {
  const Tensor& queries = rows.queries;
  const int64_t batch = queries.size(0), count = queries.size(1), heads = queries.size(2),
                size = queries.size(3), ring = rows.ring.size(1);
  const auto by_time = (rows.start.unsqueeze(1) + at::arange(ring, rows.start.options()))
                           .remainder(ring)
                           .unsqueeze(2)
                           .expand({-1, -1, rows.ring.size(2)});
  const Tensor all = at::cat({rows.ring.gather(1, by_time), rows.fresh}, 1);
  const Tensor columns = at::arange(ring + count, rows.low.options());
  const auto by_head = [&](const Tensor& x) {
    return x.unflatten(2, {key_heads, size}).transpose(1, 2);
  };
  std::vector<Tensor> parts;
  // In pieces of a window: a piece sees its own rows and at most a window before them.
  for (int64_t first = 0; first < count; first += ring) {
    const int64_t n = std::min(ring, count - first), width = ring + n;
    const Tensor low = rows.low.narrow(1, first, n).unsqueeze(2);
    const Tensor seen = columns.narrow(0, first, width);
    const Tensor last = at::arange(ring + first, ring + first + n, columns.options());
    const Tensor visible = seen.ge(low).logical_and(seen.le(last.unsqueeze(1)));
    const Tensor addend =
        at::zeros(visible.sizes(), queries.options())
            .masked_fill_(visible.logical_not(), -std::numeric_limits<double>::infinity());
    const auto halves = all.narrow(1, first, width).chunk(2, 2);
    parts.push_back(at::scaled_dot_product_attention(
                        queries.narrow(1, first, n).transpose(1, 2), by_head(halves[0]),
                        by_head(halves[1]), addend.unsqueeze(1), 0.0, false, {}, heads != key_heads)
                        .transpose(1, 2));
  }
  return at::cat(parts, 1).reshape({batch, count, heads * size});
}

}  // namespace reference
}  // namespace rmkv::kernels
