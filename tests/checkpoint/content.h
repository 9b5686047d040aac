// A small checkpoint's content, and comparison.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/tensor/torch.h"

namespace rmkv {

inline CheckpointContent some_content(int64_t step, double fill = 1) {
  CheckpointContent content;
  content.config = {{"architecture", "rmkv"}, {"channels", 8}, {"name", "caf\xc3\xa9"}};
  content.model = {{"a", at::full({3, 4}, fill)}, {"b.bias", at::arange(5, at::kFloat)}};
  content.optimizer = {{"a.moment", at::full({3, 4}, 0.5, at::kBFloat16)},
                       {"step", at::tensor({step})}};
  content.state = {{"memory.1", at::ones({2, 3, 4})}, {"tokens", at::tensor({step, step})}};
  content.cursor = {{"sources", List{Table{{"index", step}, {"seed", INT64_MAX}}}}, {"ratio", 0.1}};
  content.facts = {{"mode", "pretrain"}, {"step", step}, {"tokens", 100 * step}};
  return content;
}

inline bool same_tensors(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    auto other = b.find(name);
    if (other == b.end() || other->second.scalar_type() != tensor.scalar_type()) return false;
    if (!at::equal(other->second, tensor)) return false;
  }
  return true;
}

inline bool same_content(const CheckpointContent& a, const CheckpointContent& b) {
  return a.config == b.config && a.cursor == b.cursor && a.facts == b.facts &&
         same_tensors(a.model, b.model) && same_tensors(a.optimizer, b.optimizer) &&
         same_tensors(a.state, b.state);
}

}  // namespace rmkv
