// The delta-rule store: block form against one token after the other, recall, overwriting.
#include "core/memory/associative_store.h"

#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;

namespace {

Tensor wave(std::vector<int64_t> shape, double step) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return at::arange(count, at::kDouble).mul(step).sin().view(shape);
}

StoreWrites example_writes(int64_t count) {
  return {unit_rows(wave({2, 3, count, 4}, 1.7)), wave({2, 3, count, 4}, 0.9),
          at::sigmoid(wave({2, 3, count}, 2.3))};
}

}  // namespace

TEST_CASE("a block of writes is the writes one after the other, in any split") {
  const StoreWrites all = example_writes(9);
  const Tensor start = wave({2, 3, 4, 4}, 0.37);
  Tensor expected = start;
  for (int64_t t = 0; t < 9; ++t) {
    const Tensor key = all.keys.select(2, t).unsqueeze(-1),
                 value = all.values.select(2, t).unsqueeze(-2);
    const Tensor gate = all.gates.select(2, t).unsqueeze(-1).unsqueeze(-1);
    const Tensor held = at::matmul(key.transpose(-1, -2), expected);
    expected = expected + gate * at::matmul(key, value - held);
  }
  CHECK(at::allclose(delta_writes(start, all), expected, 1e-12, 1e-12));
  Tensor pieces = start;
  int64_t first = 0;
  for (const int64_t count : {4, 1, 4}) {
    pieces =
        delta_writes(pieces, {all.keys.narrow(2, first, count), all.values.narrow(2, first, count),
                              all.gates.narrow(2, first, count)});
    first += count;
  }
  CHECK(at::allclose(pieces, expected, 1e-12, 1e-12));
}

TEST_CASE("what is written with an open gate is read back, and a later value replaces it") {
  const Tensor keys = at::eye(4, at::kDouble).view({1, 1, 4, 4}), values = wave({1, 1, 4, 4}, 0.9);
  const Tensor open = at::ones({1, 1, 4}, at::kDouble);
  Tensor store = delta_writes(at::zeros({1, 1, 4, 4}, at::kDouble), {keys, values, open});
  CHECK(at::allclose(store_read(store, keys), values[0], 1e-12, 1e-12));
  const Tensor changed = values.narrow(2, 1, 1) + 1;
  store = delta_writes(store, {keys.narrow(2, 1, 1), changed, at::ones({1, 1, 1}, at::kDouble)});
  const Tensor read = store_read(store, keys)[0];
  CHECK(at::allclose(read[1], changed[0][0][0], 1e-12, 1e-12));
  CHECK(at::allclose(read[0], values[0][0][0], 1e-12, 1e-12));
  const Tensor closed = delta_writes(store, {keys, values + 5, at::zeros({1, 1, 4}, at::kDouble)});
  CHECK(at::equal(closed, store));
}

TEST_CASE("gradients of the block form equal finite differences") {
  constexpr double kStep = 1e-6;
  StoreWrites writes = example_writes(5);
  Tensor start = wave({2, 3, 4, 4}, 0.37);
  std::vector<Tensor> leaves = {start, writes.keys, writes.values, writes.gates};
  for (Tensor& leaf : leaves) leaf = leaf.detach().clone().set_requires_grad(true);
  const auto loss = [&] {
    return delta_writes(leaves[0], {leaves[1], leaves[2], leaves[3]}).sin().sum();
  };
  loss().backward();
  for (size_t i = 0; i < leaves.size(); ++i) {
    double* data = leaves[i].data_ptr<double>();
    for (int64_t j = 0; j < leaves[i].numel(); j += 3) {
      INFO("leaf " << i << " element " << j);
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

TEST_CASE("what tokens read of a block is what stands in the store when they come") {
  const StoreWrites all = example_writes(7);
  const Tensor queries = unit_rows(wave({2, 3, 7, 4}, 2.9)), start = wave({2, 3, 4, 4}, 0.37);
  const StoreBlock block = delta_block(start, queries, all);
  Tensor store = start;
  for (int64_t t = 0; t < 7; ++t) {
    const Tensor expected = store_read(store, queries.narrow(2, t, 1));
    CHECK(at::allclose(block.reads.narrow(1, t, 1), expected, 1e-12, 1e-12));
    store = delta_writes(
        store, {all.keys.narrow(2, t, 1), all.values.narrow(2, t, 1), all.gates.narrow(2, t, 1)});
  }
  CHECK(at::allclose(block.store, store, 1e-12, 1e-12));
}

TEST_CASE("the convolution mixes the newest rows, across the border of a block") {
  // Two channels a part; weights tell the places apart: 1, 10 and 100.
  const Tensor weights = at::tensor({1.0, 10.0, 100.0}, at::kDouble).unsqueeze(1).expand({3, 6});
  const Tensor rows = at::arange(1, 21, at::kDouble).view({1, 5, 4});
  const Tensor none = at::zeros({1, 2, 4}, at::kDouble);
  const Tensor whole = mix_rows(none, rows, weights);
  // Address channel 0 of the rows is 1, 5, 9, 13, 17; value channel 0 is 3, 7, 11, 15, 19.
  const Tensor address = at::tensor({1.0, 15.0, 159.0, 603.0, 1047.0}, at::kDouble);
  CHECK(at::equal(whole[0].select(1, 0), address));
  CHECK(at::equal(whole[0].select(1, 2), address));
  CHECK(whole[0][2][4].item<double>() == 11 + 70 + 300);
  const Tensor rest = mix_rows(rows.narrow(1, 1, 2), rows.narrow(1, 3, 2), weights);
  CHECK(at::equal(rest, whole.narrow(1, 3, 2)));
}

TEST_CASE("sparse features: products of rectified halves with themselves turned") {
  const Tensor features = sparse_features(at::tensor({2.0, -3.0}, at::kDouble), 2);
  // (relu(x), relu(-x)) = (2, 0, 0, 3); turned by one (3, 2, 0, 0), by two (0, 3, 2, 0).
  CHECK(at::equal(features, at::tensor({6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}, at::kDouble)));
}
