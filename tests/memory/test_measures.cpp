// Measures of a memory on memories whose answer is known.
#include "core/memory/measures.h"

#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;

TEST_CASE("equal slots have cosine 1 and rank 1, orthogonal ones 0 and full rank") {
  const Tensor equal = at::ones({1, 4, 6}, at::kDouble);
  const Tensor orthogonal = at::eye(6, at::kDouble).narrow(0, 0, 4).unsqueeze(0);
  const Tensor both = at::cat({equal, orthogonal});
  CHECK(slot_cosine(both)[0].item<double>() == Approx(1.0));
  CHECK(slot_cosine(both)[1].item<double>() == Approx(0.0).margin(1e-12));
  CHECK(effective_rank(both)[0].item<double>() == Approx(1.0));
  CHECK(effective_rank(both)[1].item<double>() == Approx(4.0));
  CHECK(slot_cosine(at::ones({2, 1, 6}, at::kDouble)).abs().max().item<double>() == 0.0);
}

TEST_CASE("slot cosine is the mean over pairs") {
  const Tensor memory = at::arange(24, at::kDouble).mul(1.1).sin().view({1, 4, 6});
  double sum = 0;
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      const Tensor a = memory[0][i], b = memory[0][j];
      sum += (a.dot(b) / (a.norm() * b.norm())).item<double>() / 6;
    }
  }
  CHECK(slot_cosine(memory)[0].item<double>() == Approx(sum));
}

TEST_CASE("write norm and attention share") {
  const Tensor before = at::ones({1, 2, 2}, at::kDouble);
  CHECK(write_norm(before, before * 1.5)[0].item<double>() == Approx(0.5));
  const Tensor shares = at::tensor({0.1, 0.2, 0.3, 0.4}, at::kDouble).view({1, 1, 1, 4});
  CHECK(attention_share(shares, 1, 2)[0][0].item<double>() == Approx(0.5));
}
