// See attention.h.
#include "core/kernels/attention.h"

#include "core/kernels/cpu/attention.h"
#include "core/kernels/fused.h"
#include "core/kernels/rotary.h"

namespace rmkv::kernels {
namespace {

// Rows the kernel can walk: the last dimension dense, any other strides.
Tensor dense_rows(const Tensor& x) {
  return x.defined() && x.stride(-1) != 1 ? x.contiguous() : x;
}

// The inputs of the kernel, and what keeps them alive.
struct KernelInputs {
  Tensor memory, tokens, bridge, visible, angles;
  cpu::AttentionShape shape;

  KernelInputs(const Tensor& memory_rows, const Tensor& token_rows, const Tensor& bridge_rows,
               const Tensor& visible_rows, int64_t heads, bool rotary, double base)
      : memory(dense_rows(memory_rows)),
        tokens(dense_rows(token_rows)),
        bridge(dense_rows(bridge_rows)) {
    const int64_t channels = tokens.size(2) / 3;
    shape = {tokens.size(0),
             heads,
             channels / heads,
             memory.defined() ? memory.size(1) : 0,
             bridge.defined() ? bridge.size(1) : 0,
             tokens.size(1)};
    if (visible_rows.defined()) {
      visible = visible_rows.contiguous();
    }
    if (rotary) {
      angles = rotary_table(-shape.bridge, shape.bridge + shape.tokens, shape.head_channels, base,
                            at::kFloat, at::kCPU);
    }
  }

  template <typename T>
  cpu::AttentionInputs<T> pointers() const {
    const auto rows = [](const Tensor& x, int64_t skip) -> cpu::AttentionRows<const T> {
      return x.defined() ? cpu::AttentionRows<const T>{x.const_data_ptr<T>() + skip, x.stride(0),
                                                       x.stride(1)}
                         : cpu::AttentionRows<const T>{};
    };
    cpu::AttentionInputs<T> in;
    in.memory = rows(memory, 0);
    in.tokens = rows(tokens, 0);
    // The keys of a bridge with queries start after them.
    in.bridge = rows(bridge, bridge.defined() ? bridge.size(2) - tokens.size(2) / 3 * 2 : 0);
    in.visible = visible.defined() ? visible.const_data_ptr<bool>() : nullptr;
    if (angles.defined()) {
      in.cosines = angles.const_data_ptr<float>();
      in.sines = in.cosines + (shape.bridge + shape.tokens) * (shape.head_channels / 2);
    }
    return in;
  }
};

class SegmentAttentionFunction : public torch::autograd::Function<SegmentAttentionFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const MaybeTensor& given_memory,
                               const Tensor& tokens, const MaybeTensor& given_bridge,
                               const MaybeTensor& given_visible, int64_t heads, bool rotary,
                               double base) {
    const Tensor memory = tensor_or_undefined(given_memory),
                 bridge = tensor_or_undefined(given_bridge);
    const Tensor visible = tensor_or_undefined(given_visible);
    const KernelInputs inputs(memory, tokens, bridge, visible, heads, rotary, base);
    const auto& shape = inputs.shape;
    const int64_t channels = shape.heads * shape.head_channels;
    Tensor memory_out = at::empty({shape.batch, shape.memory, channels}, tokens.options());
    Tensor tokens_out = at::empty({shape.batch, shape.tokens, channels}, tokens.options());
    Tensor log_sums = at::empty({shape.batch, shape.heads, shape.memory + shape.tokens},
                                tokens.options().dtype(at::kFloat));
    with_row_type(tokens.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::attention_forward<T>(shape, inputs.pointers<T>(), memory_out.mutable_data_ptr<T>(),
                                tokens_out.mutable_data_ptr<T>(),
                                log_sums.mutable_data_ptr<float>());
    });
    ctx->save_for_backward({memory, tokens, bridge, visible, log_sums});
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["rotary"] = rotary;
    ctx->saved_data["base"] = base;
    return {memory_out, tokens_out};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &memory = saved[0], &tokens = saved[1], &bridge = saved[2], &log_sums = saved[4];
    const KernelInputs inputs(memory, tokens, bridge, saved[3], ctx->saved_data["heads"].toInt(),
                              ctx->saved_data["rotary"].toBool(),
                              ctx->saved_data["base"].toDouble());
    const auto& shape = inputs.shape;
    const int64_t channels = shape.heads * shape.head_channels;
    const Tensor grad_memory_out = grads[0].contiguous(), grad_tokens_out = grads[1].contiguous();
    Tensor grad_memory = memory.defined() ? at::empty(memory.sizes(), memory.options()) : Tensor();
    Tensor grad_tokens = at::empty(tokens.sizes(), tokens.options());
    Tensor grad_bridge =
        bridge.defined() ? at::empty({shape.batch, shape.bridge, 2 * channels}, bridge.options())
                         : Tensor();
    with_row_type(tokens.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::attention_backward<T>(
          shape, inputs.pointers<T>(), log_sums.const_data_ptr<float>(),
          grad_memory_out.const_data_ptr<T>(), grad_tokens_out.const_data_ptr<T>(),
          grad_memory.defined() ? grad_memory.mutable_data_ptr<T>() : nullptr,
          grad_tokens.mutable_data_ptr<T>(),
          grad_bridge.defined() ? grad_bridge.mutable_data_ptr<T>() : nullptr);
    });
    if (grad_bridge.defined() && bridge.size(2) != 2 * channels) {
      grad_bridge =
          at::constant_pad_nd(grad_bridge, {channels, 0});  // the bridge's queries are not used
    }
    return {grad_memory, grad_tokens, grad_bridge, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

void check_rows(const SegmentRows& rows, const AttentionOptions& options) {
  const char* where = "segment_attention";
  const Tensor& tokens = rows.tokens;
  if (tokens.dim() != 3 || tokens.size(2) % (3 * options.heads) != 0) {
    fail(where, "tokens " + tensor_text(tokens),
         "[B, T, 3C] with C a multiple of " + std::to_string(options.heads) + " heads");
  }
  const int64_t batch = tokens.size(0), channels = tokens.size(2) / 3;
  if (options.rotary && channels / options.heads % 2 != 0) {
    fail(where, std::to_string(channels / options.heads) + " channels a head",
         "an even number for rotary positions");
  }
  if (rows.memory.defined() && (rows.memory.dim() != 3 || rows.memory.size(0) != batch ||
                                rows.memory.size(2) != 3 * channels)) {
    fail(where, "memory " + tensor_text(rows.memory),
         "[B, M, 3C] beside tokens " + tensor_text(tokens));
  }
  int64_t bridge = 0;
  if (rows.bridge.defined()) {
    if (rows.bridge.dim() != 3 || rows.bridge.size(0) != batch ||
        (rows.bridge.size(2) != 3 * channels && rows.bridge.size(2) != 2 * channels)) {
      fail(where, "bridge " + tensor_text(rows.bridge),
           "[B, k, 3C] or [B, k, 2C] beside tokens " + tensor_text(tokens));
    }
    bridge = rows.bridge.size(1);
  }
  if (rows.visible.defined() &&
      (rows.visible.scalar_type() != at::kBool || rows.visible.dim() != 2 ||
       rows.visible.size(0) != batch || rows.visible.size(1) != bridge + tokens.size(1))) {
    fail(where, "visible " + tensor_text(rows.visible),
         "bool [B, k + T], k + T = " + std::to_string(bridge + tokens.size(1)));
  }
}

}  // namespace

std::pair<Tensor, Tensor> segment_attention(const SegmentRows& given,
                                            const AttentionOptions& options) {
  check_rows(given, options);
  SegmentRows rows = given;
  if (rows.bridge.defined() && rows.bridge.size(1) == 0) {
    rows.bridge = Tensor();
  }
  if (rows.memory.defined() && rows.memory.size(1) == 0) {
    rows.memory = Tensor();
  }
  // The kernel moves whole vectors of lanes: heads of 32, 64, 96 ... channels.
  constexpr int64_t kHeadMultiple = 32;
  const int64_t head = rows.tokens.size(2) / 3 / options.heads;
  if (!has_fused_form(rows.tokens) || head % kHeadMultiple != 0 || rows.tokens.numel() == 0) {
    return reference::segment_attention(rows, options);
  }
  const auto results = SegmentAttentionFunction::apply(
      maybe(rows.memory), rows.tokens, maybe(rows.bridge), maybe(rows.visible), options.heads,
      options.rotary, options.rotary_base);
  return {rows.memory.defined() ? results[0] : Tensor(), results[1]};
}

Tensor cached_attention(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        bool causal, const Tensor& visible) {
  return reference::cached_attention(queries, keys, values, causal, visible);
}

}  // namespace rmkv::kernels
