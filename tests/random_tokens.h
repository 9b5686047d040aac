// Random token ids that are the same whenever and wherever a test runs.
#pragma once

#include "core/tensor/torch.h"

namespace rmkv::test {

// [batch, count] int64 below `vocabulary`.  LibTorch's own generator starts anew in every process.
inline Tensor random_tokens(int64_t vocabulary, int64_t batch, int64_t count, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randint(vocabulary, {batch, count}, generator, at::TensorOptions().dtype(at::kLong));
}

}  // namespace rmkv::test
