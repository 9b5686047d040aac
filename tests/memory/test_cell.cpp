// Memory cells: finite differences (T15), bounds, what the gates mean, PyTorch's convention.
#include "core/memory/cell.h"

#include "core/base/random.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;

namespace {

constexpr int64_t kBatch = 2, kSlots = 3, kChannels = 4;

Tensor random_values(std::vector<int64_t> shape, const std::string& name, double deviation = 0.7) {
  RandomStream random(3, name);
  Tensor value = at::empty(shape, at::kDouble);
  double* data = value.mutable_data_ptr<double>();
  for (int64_t i = 0; i < value.numel(); ++i) data[i] = deviation * random.normal();
  return value;
}

struct Example {
  CellWeights weights;
  Tensor input;
  CellState state;
  std::vector<Tensor> leaves;  // everything a gradient is checked for
};

Example example(CellKind kind) {
  const int64_t rows = cell_maps(kind) * kChannels;
  Example e;
  const auto leaf = [&](Tensor value) {
    e.leaves.push_back(value.set_requires_grad(true));
    return value;
  };
  e.weights.input_weight = leaf(random_values({rows, kChannels}, "input"));
  e.weights.input_bias = leaf(random_values({rows}, "input bias"));
  e.weights.keep_bias = leaf(random_values({kSlots, kChannels}, "keep"));
  if (kind != CellKind::kEma)
    e.weights.hidden_weight = leaf(random_values({rows, kChannels}, "hidden"));
  if (kind == CellKind::kGru) e.weights.hidden_bias = leaf(random_values({rows}, "hidden bias"));
  if (kind == CellKind::kLstm)
    e.weights.write_bias = leaf(random_values({kSlots, kChannels}, "write"));
  e.input = leaf(random_values({kBatch, kSlots, kChannels}, "u"));
  e.state.hidden = leaf(random_values({kBatch, kSlots, kChannels}, "h", 0.3));
  if (kind == CellKind::kLstm)
    e.state.carry = leaf(random_values({kBatch, kSlots, kChannels}, "c", 0.3));
  return e;
}

double loss(CellKind kind, const Example& e) {
  at::NoGradGuard no_grad;
  const CellState next = MemoryCell(kind, e.weights, kSlots).step(e.input, e.state);
  Tensor sum = next.hidden.sin().sum();
  if (next.carry.defined()) sum = sum + next.carry.cos().sum();
  return sum.item<double>();
}

}  // namespace

TEST_CASE("T15: gradients of every cell equal finite differences") {
  constexpr double kStep = 1e-6;
  for (const std::string& name : cell_names()) {
    const CellKind kind = parse_cell(name);
    Example e = example(kind);
    const CellState next = MemoryCell(kind, e.weights, kSlots).step(e.input, e.state);
    Tensor sum = next.hidden.sin().sum();
    if (next.carry.defined()) sum = sum + next.carry.cos().sum();
    sum.backward();
    for (size_t i = 0; i < e.leaves.size(); ++i) {
      double* data = e.leaves[i].data_ptr<double>();
      const Tensor gradient = e.leaves[i].grad().contiguous();
      for (int64_t j = 0; j < e.leaves[i].numel(); ++j) {
        INFO(name << " leaf " << i << " element " << j);
        const double old = data[j];
        data[j] = old + kStep;
        const double above = loss(kind, e);
        data[j] = old - kStep;
        const double below = loss(kind, e);
        data[j] = old;
        CHECK(gradient.const_data_ptr<double>()[j] ==
              Approx((above - below) / (2 * kStep)).epsilon(1e-6).margin(1e-8));
      }
    }
  }
}

TEST_CASE("a large keep bias keeps the memory, a large negative one replaces it") {
  at::NoGradGuard no_grad;
  for (const std::string& name : cell_names()) {
    INFO(name);
    const CellKind kind = parse_cell(name);
    Example e = example(kind);
    e.weights.keep_bias.fill_(50);
    if (e.weights.write_bias.defined()) e.weights.write_bias.fill_(-50);
    const CellState kept = MemoryCell(kind, e.weights, kSlots).step(e.input, e.state);
    const Tensor& old = kind == CellKind::kLstm ? e.state.carry : e.state.hidden;
    const Tensor& now = kind == CellKind::kLstm ? kept.carry : kept.hidden;
    CHECK(at::allclose(now, old, 1e-12, 1e-12));
    CHECK(resting_keep_rate(kind, e.weights).min().item<double>() > 0.999999);
    e.weights.keep_bias.fill_(-50);
    const CellState replaced = MemoryCell(kind, e.weights, kSlots).step(e.input, e.state);
    CHECK_FALSE(at::allclose(replaced.hidden, kept.hidden, 1e-3, 1e-3));
  }
}

TEST_CASE("gru and lstm agree with LibTorch's own cells where biases per slot are zero") {
  at::NoGradGuard no_grad;
  Example gru = example(CellKind::kGru);
  gru.weights.keep_bias.zero_();
  const Tensor expected = at::gru_cell(gru.input.flatten(0, 1), gru.state.hidden.flatten(0, 1),
                                       gru.weights.input_weight, gru.weights.hidden_weight,
                                       gru.weights.input_bias, gru.weights.hidden_bias);
  const Tensor got =
      MemoryCell(CellKind::kGru, gru.weights, kSlots).step(gru.input, gru.state).hidden;
  CHECK(at::allclose(got.flatten(0, 1), expected, 1e-12, 1e-12));

  Example lstm = example(CellKind::kLstm);
  lstm.weights.keep_bias.zero_();
  lstm.weights.write_bias.zero_();
  const auto [hidden, carry] = at::lstm_cell(
      lstm.input.flatten(0, 1), {lstm.state.hidden.flatten(0, 1), lstm.state.carry.flatten(0, 1)},
      lstm.weights.input_weight, lstm.weights.hidden_weight, lstm.weights.input_bias,
      at::zeros_like(lstm.weights.input_bias));
  const CellState ours =
      MemoryCell(CellKind::kLstm, lstm.weights, kSlots).step(lstm.input, lstm.state);
  CHECK(at::allclose(ours.hidden.flatten(0, 1), hidden, 1e-12, 1e-12));
  CHECK(at::allclose(ours.carry.flatten(0, 1), carry, 1e-12, 1e-12));
}

TEST_CASE("half-lives belong to keep-rates") {
  const Tensor life = half_life(at::tensor({0.5, 0.8839, 0.9820}, at::kDouble));
  CHECK(life[0].item<double>() == Approx(1.0));
  CHECK(life[1].item<double>() == Approx(5.62).epsilon(0.01));
  CHECK(life[2].item<double>() == Approx(38.2).epsilon(0.01));
}

TEST_CASE("an unknown cell names the nearest") {
  CHECK_THROWS_WITH(parse_cell("grru"), Catch::Matchers::Contains("gru"));
}
