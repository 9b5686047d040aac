// One norm per flat buffer, then a norm of norms.
#include "core/optim/clip.h"

#include "core/tensor/torch.h"

namespace rmkv {

ClipResult clip_gradients(const ParameterStore& parameters, double limit) {
  at::NoGradGuard no_grad;
  std::vector<Tensor> norms;
  for (int i = 0; i < kParameterGroupCount; ++i) {
    auto group = static_cast<ParameterGroup>(i);
    for (const FlatSpan& span : parameters.trained_spans(group)) {
      Tensor piece = parameters.flat_gradients(group).narrow(0, span.begin, span.count);
      norms.push_back(at::linalg_vector_norm(piece));
    }
  }
  ClipResult result;
  at::TensorOptions options = at::TensorOptions().dtype(at::kFloat).device(parameters.device());
  result.norm = norms.empty() ? at::zeros({}, options)
                              : at::linalg_vector_norm(at::stack(norms)).to(at::kFloat);
  // A norm that is not finite gives a divisor that is not finite; the update is skipped then.
  result.divisor = limit > 0 ? result.norm.div(limit).clamp_min(1.0) : at::ones({}, options);
  result.broken = result.norm.isfinite().logical_not().to(at::kFloat);
  return result;
}

}  // namespace rmkv
