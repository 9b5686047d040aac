// See loss.h.
#include "core/kernels/loss.h"

#include <algorithm>

#include "core/kernels/cpu/loss.h"
#include "core/kernels/fused.h"
#include "core/kernels/linear.h"
#include "core/kernels/product.h"

namespace rmkv::kernels {
namespace {

// A chunk's logits should stay in a last-level cache while they become losses, gradients and two
// products.
constexpr int64_t kChunkBytes = 16 << 20;

struct RowLosses {
  Tensor losses;  // fp32 (fp64) [n], without weights
  Tensor wraps;   // likewise, what L2Wrap adds; undefined without
};

// Losses of logits [n, V], which become scale * weight * gradient where asked.  `weights` fp32 [n]
// or undefined.
RowLosses losses_in_place(Tensor& logits, const Tensor& labels, const Tensor& weights,
                          const HeadLossOptions& options, bool gradient) {
  const int64_t rows = logits.size(0), vocabulary = logits.size(1);
  const bool wraps = options.l2_wrap != 0;
  RowLosses result;
  if (has_fused_form(logits)) {
    result.losses = at::empty({rows}, logits.options().dtype(at::kFloat));
    if (wraps) result.wraps = at::empty_like(result.losses);
    const cpu::LossTerms terms = {static_cast<float>(options.scale),
                                  static_cast<float>(options.z_loss),
                                  static_cast<float>(options.l2_wrap)};
    with_row_type(logits.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::cross_entropy(logits.mutable_data_ptr<T>(), labels.const_data_ptr<int64_t>(),
                         weights.defined() ? weights.const_data_ptr<float>() : nullptr, rows,
                         vocabulary, terms, gradient, result.losses.mutable_data_ptr<float>(),
                         wraps ? result.wraps.mutable_data_ptr<float>() : nullptr);
    });
    return result;
  }
  const Tensor wide = logits.to(reference::arithmetic_dtype(logits.scalar_type()));
  const Tensor log_z = wide.logsumexp(-1, /*keepdim=*/true);
  const Tensor counted = labels.ge(0).unsqueeze(-1), index = labels.clamp_min(0).unsqueeze(-1);
  const auto of_counted = [&](const Tensor& x) {
    return x.masked_fill(counted.logical_not(), 0).squeeze(-1);
  };
  result.losses = of_counted(log_z - wide.gather(-1, index) + options.z_loss * log_z.square());
  Tensor largest, place;
  if (wraps) {
    std::tie(largest, place) = wide.max(-1, /*keepdim=*/true);
    result.wraps = of_counted(0.5 * options.l2_wrap * largest.square());
  }
  if (gradient) {
    Tensor slope = (wide - log_z).exp_() * (1.0 + 2.0 * options.z_loss * log_z);
    slope.scatter_add_(-1, index, at::full_like(log_z, -1.0));
    if (wraps) slope.scatter_add_(-1, place, options.l2_wrap * largest);
    if (weights.defined()) slope.mul_(weights.unsqueeze(-1));
    logits.copy_(slope.mul_(options.scale).masked_fill_(counted.logical_not(), 0));
  }
  return result;
}

// Hides from autograd what has no gradient.
struct LossSettings {
  Tensor weights;  // fp32 [N] or undefined
  HeadLossOptions options;
};

class HeadLossFunction : public torch::autograd::Function<HeadLossFunction> {
 public:
  // -> loss, loss without row weights and L2Wrap.
  static variable_list forward(AutogradContext* ctx, const Tensor& hidden, const Tensor& weight,
                               const Tensor& labels, const LossSettings& settings, int64_t rows,
                               bool with_gradients) {
    const Tensor& row_weights = settings.weights;
    const double scale = settings.options.scale;
    const Tensor w = converted_weight(weight, hidden.scalar_type());
    const auto wide = reference::arithmetic_dtype(hidden.scalar_type());
    Tensor total = at::zeros({}, hidden.options().dtype(wide)), plain = total.clone();
    Tensor grad_hidden = with_gradients ? at::empty_like(hidden) : Tensor();
    Tensor grad_weight;
    for (int64_t first = 0; first < hidden.size(0); first += rows) {
      const int64_t count = std::min(rows, hidden.size(0) - first);
      const Tensor chunk = hidden.narrow(0, first, count);
      Tensor logits = product(chunk, w.t());
      const Tensor factors = row_weights.defined() ? row_weights.narrow(0, first, count) : Tensor();
      const auto [losses, wraps] = losses_in_place(logits, labels.narrow(0, first, count), factors,
                                                   settings.options, with_gradients);
      plain += losses.sum();
      const Tensor all = wraps.defined() ? losses + wraps : losses;
      total += (factors.defined() ? all.mul(factors) : all).sum();
      if (!with_gradients) {
        continue;
      }
      grad_hidden.narrow(0, first, count).copy_(product(logits, w));
      if (grad_weight.defined()) {
        add_weight_gradient(logits, chunk, grad_weight);
      } else {
        grad_weight = weight_gradient(logits, chunk, weight.scalar_type());
      }
    }
    if (with_gradients) {
      ctx->save_for_backward({grad_hidden, grad_weight});
    }
    plain = plain * scale;
    ctx->mark_non_differentiable({plain});
    return {total * scale, plain};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &grad_hidden = saved[0], &grad_weight = saved[1];
    Tensor of_hidden, of_weight;
    // A loss that is a summand of the total has gradient 1: nothing to scale.
    const bool unscaled = grads[0].is_cpu() && grads[0].item<double>() == 1.0;
    if (ctx->needs_input_grad(0)) {
      of_hidden = unscaled ? grad_hidden : grad_hidden * grads[0].to(grad_hidden.scalar_type());
    }
    if (ctx->needs_input_grad(1) && grad_weight.defined()) {
      of_weight = unscaled ? grad_weight : grad_weight * grads[0].to(grad_weight.scalar_type());
    }
    return {of_hidden, of_weight, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

void check_loss(const char* where, const Tensor& hidden, const Tensor& weight,
                const Tensor& labels) {
  if (hidden.dim() != 2 || weight.dim() != 2 || hidden.size(1) != weight.size(1)) {
    fail(where, tensor_text(hidden) + " with head " + tensor_text(weight),
         "[N, C] with head [V, C]");
  }
  if (labels.scalar_type() != at::kLong || labels.dim() != 1 || labels.size(0) != hidden.size(0)) {
    fail(where, "labels " + tensor_text(labels),
         "int64 [N=" + std::to_string(hidden.size(0)) + "]");
  }
  // On other devices the gather itself checks, without a wait for the device here.
  if (labels.is_cpu() && labels.numel() > 0) {
    const int64_t largest = labels.max().item<int64_t>();
    if (largest >= weight.size(0)) {
      fail(where, "label " + std::to_string(largest),
           "below the vocabulary of " + std::to_string(weight.size(0)));
    }
  }
}

}  // namespace

int64_t head_chunk_rows(int64_t vocabulary, int64_t element_bytes, int64_t wanted) {
  if (wanted > 0) return wanted;
  return std::clamp<int64_t>(kChunkBytes / (vocabulary * element_bytes) / 64 * 64, 64, 8192);
}

Tensor head_loss(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels,
                 const HeadLossOptions& options) {
  return weighted_head_loss(hidden, head_weight, labels, Tensor(), options).loss;
}

WeightedHeadLoss weighted_head_loss(const Tensor& hidden, const Tensor& head_weight,
                                    const Tensor& labels, const Tensor& weights,
                                    const HeadLossOptions& options) {
  check_loss("head_loss", hidden, head_weight, labels);
  if (weights.defined() && (weights.scalar_type() != at::kFloat || weights.dim() != 1 ||
                            weights.size(0) != hidden.size(0))) {
    fail("head_loss", "weights " + tensor_text(weights),
         "float32 [N=" + std::to_string(hidden.size(0)) + "]");
  }
  const bool with_gradients =
      at::GradMode::is_enabled() && (hidden.requires_grad() || head_weight.requires_grad());
  const variable_list losses = HeadLossFunction::apply(
      hidden.contiguous(), head_weight, labels.contiguous(),
      LossSettings{weights.defined() ? weights.contiguous() : weights, options},
      head_chunk_rows(head_weight.size(0), hidden.element_size(), options.chunk_rows),
      with_gradients);
  return {losses[0], losses[1]};
}

Tensor head_losses(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels) {
  check_loss("head_losses", hidden, head_weight, labels);
  at::NoGradGuard no_grad;
  const Tensor w = converted_weight(head_weight, hidden.scalar_type());
  const int64_t rows = head_chunk_rows(head_weight.size(0), hidden.element_size(), 0);
  Tensor losses = at::empty(
      {hidden.size(0)}, hidden.options().dtype(reference::arithmetic_dtype(hidden.scalar_type())));
  for (int64_t first = 0; first < hidden.size(0); first += rows) {
    const int64_t count = std::min(rows, hidden.size(0) - first);
    Tensor logits = product(hidden.narrow(0, first, count), w.t());
    const Tensor own = labels.narrow(0, first, count).contiguous();
    losses.narrow(0, first, count).copy_(losses_in_place(logits, own, {}, {}, false).losses);
  }
  return losses;
}

}  // namespace rmkv::kernels
