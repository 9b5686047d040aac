// Pooling: against its definition, streamed in pieces, finite differences (T15).
#include "core/memory/pooling.h"

#include <cmath>
#include <limits>

#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;

namespace {

constexpr int64_t kBatch = 2, kTokens = 7, kSlots = 3, kChannels = 4;

Tensor wave(std::vector<int64_t> shape, double step) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return at::arange(count, at::kDouble).mul(step).sin().view(shape);
}

}  // namespace

TEST_CASE("query pooling before the projection is query pooling after it") {
  const Tensor rows = wave({kBatch, kTokens, kChannels}, 1.3),
               queries = wave({kSlots, kChannels}, 2.1);
  const Tensor out = wave({kChannels, kChannels}, 0.7);
  const Tensor projected = at::matmul(rows, out.t());
  const Tensor scores = at::matmul(queries, projected.transpose(1, 2)) / std::sqrt(kChannels * 1.0);
  const Tensor expected = at::matmul(at::softmax(scores, -1), projected);
  const Tensor got = at::matmul(query_pool(rows, carried_queries(queries, out), {}), out.t());
  CHECK(at::allclose(got, expected, 1e-12, 1e-12));
  CHECK(at::allclose(at::matmul(mean_pool(rows, {}), out.t()).squeeze(1), projected.mean(1), 1e-12,
                     1e-12));
}

TEST_CASE("rows that do not count do not count") {
  const Tensor rows = wave({kBatch, kTokens, kChannels}, 1.3),
               queries = wave({kSlots, kChannels}, 2.1);
  Tensor kept = at::ones({kBatch, kTokens}, at::kBool);
  kept[0].narrow(0, 4, 3).fill_(false);
  kept[1].fill_(false);
  CHECK(at::allclose(query_pool(rows, queries, kept)[0],
                     query_pool(rows.narrow(1, 0, 4), queries, {})[0]));
  CHECK(at::allclose(mean_pool(rows, kept)[0], mean_pool(rows.narrow(1, 0, 4), {})[0]));
  CHECK(query_pool(rows, queries, kept).isfinite().all().item<bool>());
  CHECK(mean_pool(rows, kept)[1].abs().max().item<double>() == 0.0);
}

TEST_CASE("pooling in pieces is pooling at once, also when scores are large") {
  for (const double scale : {1.0, 300.0}) {
    const Tensor rows = wave({kBatch, kTokens, kChannels}, 1.3),
                 queries = wave({kSlots, kChannels}, 2.1) * scale;
    Tensor sum = at::zeros({kBatch, kChannels}, at::kDouble);
    Tensor largest =
        at::full({kBatch, kSlots}, -std::numeric_limits<double>::infinity(), at::kDouble);
    Tensor denominator = at::zeros({kBatch, kSlots}, at::kDouble);
    Tensor numerator = at::zeros({kBatch, kSlots, kChannels}, at::kDouble);
    int64_t first = 0;
    for (const int64_t count : {1, 3, 2, 1}) {
      const Tensor piece = rows.narrow(1, first, count);
      accumulate_mean(piece, sum);
      accumulate_query(piece, queries, largest, denominator, numerator);
      first += count;
    }
    CHECK(at::allclose(sum / static_cast<double>(kTokens), mean_pool(rows, {}).squeeze(1), 1e-12,
                       1e-12));
    CHECK(at::allclose(numerator / denominator.unsqueeze(2), query_pool(rows, queries, {}), 1e-12,
                       1e-12));
  }
}

TEST_CASE("T15: gradients of both poolings equal finite differences") {
  constexpr double kStep = 1e-6;
  for (const bool by_query : {true, false}) {
    std::vector<Tensor> leaves = {wave({kBatch, kTokens, kChannels}, 1.3),
                                  wave({kSlots, kChannels}, 2.1),
                                  wave({kChannels, kChannels}, 0.7)};
    for (Tensor& leaf : leaves) leaf.set_requires_grad(true);
    const auto loss = [&] {
      const Tensor pooled = by_query
                                ? query_pool(leaves[0], carried_queries(leaves[1], leaves[2]), {})
                                : mean_pool(leaves[0], {});
      return pooled.sin().sum();
    };
    loss().backward();
    for (size_t i = 0; i < (by_query ? leaves.size() : 1); ++i) {
      double* data = leaves[i].data_ptr<double>();
      for (int64_t j = 0; j < leaves[i].numel(); ++j) {
        INFO((by_query ? "query" : "mean") << " leaf " << i << " element " << j);
        at::NoGradGuard no_grad;
        const double old = data[j];
        data[j] = old + kStep;
        const double above = loss().item<double>();
        data[j] = old - kStep;
        const double below = loss().item<double>();
        data[j] = old;
        CHECK(leaves[i].grad().view(-1)[j].item<double>() ==
              Approx((above - below) / (2 * kStep)).epsilon(1e-6).margin(1e-8));
      }
    }
  }
}
