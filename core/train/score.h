// How probable a model finds given continuations: multiple choice, recall questions, cloze tests.
#pragma once

#include <vector>

#include "core/models/language_model.h"

namespace rmkv {

// For each continuation the sum over its tokens of log p(token | context, tokens before), nats. The
// context holds at least one token, continuations at least one.  The context is run once;
// continuations run side by side from it.
std::vector<double> score(LanguageModel& model, const std::vector<int64_t>& context,
                          const std::vector<std::vector<int64_t>>& continuations,
                          at::ScalarType compute_dtype = at::kFloat);

}  // namespace rmkv
