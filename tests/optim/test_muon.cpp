// Muon against singular values in fp64, beside AdamW; skipping, copies, and state that continues.
#include "core/optim/muon.h"

#include <cmath>

#include "core/kernels/linear.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

constexpr int64_t kVocabulary = 50;

Tensor wave(at::IntArrayRef shape, double seed) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const Tensor place = at::arange(count, at::kDouble) + 1;
  return at::sin(place * place * seed).view(shape);
}

// Tall, wide, two of one shape; and what is left to AdamW.
ParameterStore make_store(at::ScalarType dtype = at::kFloat) {
  ParameterStore store(dtype);
  const auto add = [&](const char* name, at::IntArrayRef shape, ParameterGroup group) {
    store.add(name, wave(shape, 0.37 + static_cast<double>(store.size())) * 0.3, group);
  };
  add("tall", {24, 8}, ParameterGroup::kMatrix);
  add("wide", {8, 20}, ParameterGroup::kMatrix);
  add("again", {24, 8}, ParameterGroup::kMatrix);
  add("head", {kVocabulary, 8}, ParameterGroup::kMatrix);
  add("taps", {4, 1, 8}, ParameterGroup::kMatrix);
  add("norm", {8}, ParameterGroup::kVector);
  add("gate", {8}, ParameterGroup::kGate);
  add("embedding", {kVocabulary, 8}, ParameterGroup::kEmbedding);
  store.finish();
  return store;
}
constexpr size_t kMatrices = 3;

void set_gradients(ParameterStore& store, int step) {
  for (size_t i = 0; i < store.size(); ++i) {
    store[i].grad().copy_(wave(store[i].sizes(), 0.11 * (step + 1) + 0.5 * static_cast<double>(i)));
  }
}

// Jordan et al.: five times a s + b s^3 + c s^5 on each singular value over the Frobenius norm.
Tensor lifted(const Tensor& x) {
  const auto [u, s, vt] = at::linalg_svd(x, false);
  Tensor y = s / (s.square().sum().sqrt() + 1e-7);
  for (int i = 0; i < 5; ++i) y = 3.4445 * y - 4.7750 * y.pow(3) + 2.0315 * y.pow(5);
  return at::matmul(u * y, vt);
}

double largest(const Tensor& x) {
  return x.abs().max().item<double>();
}

Tensor scalar(double x) {
  return at::scalar_tensor(x, at::kFloat);
}

std::map<std::string, Tensor> copies(const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.detach().clone();
  return result;
}

void check_equal(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    INFO(name);
    CHECK(tensor.equal(b.at(name)));
  }
}

}  // namespace

TEST_CASE("a matrix becomes nearly orthogonal, along its own singular vectors") {
  for (const auto& shape : std::vector<std::vector<int64_t>>{{12, 12}, {30, 7}, {3, 40}}) {
    const Tensor x = wave(shape, 0.77);
    const Tensor factor = orthogonal_factor(x, 5);
    CHECK(largest(factor - lifted(x)) < 1e-9);
    const Tensor values = at::linalg_svdvals(factor);
    CHECK(largest(values) < 1.25);
    CHECK(values.min().item<double>() > 0.3);
    // In fp32 and among others nothing else comes out.
    const Tensor batch = at::stack({x * 5, wave(shape, 0.3), x}).to(at::kFloat);
    CHECK(largest(orthogonal_factor(batch, 5)[0].to(at::kDouble) - factor) < 2e-4);
  }
  CHECK(largest(orthogonal_factor(at::zeros({4, 3}), 5)) == 0);
}

TEST_CASE("matrices follow their orthogonal momentum, all else AdamW") {
  MuonOptions options;
  options.momentum = 0.9;
  options.adamw.groups[0] = {2.0, 0.3, false};
  ParameterStore store = make_store(at::kDouble), other = make_store(at::kDouble);
  std::vector<Tensor> value, momentum;
  for (size_t i = 0; i < kMatrices; ++i) {
    value.push_back(store[i].detach().clone());
    momentum.push_back(at::zeros_like(value[i]));
  }
  Muon muon(store, kVocabulary, options);
  Adamw adamw(other, options.adamw);
  for (int step = 0; step < 6; ++step) {
    const double lr = 1e-2 / (1 + step), rate = lr * 2.0;
    set_gradients(store, step);
    set_gradients(other, step);
    const Tensor divisor = scalar(1.0 + step);
    muon.step({lr, divisor, scalar(0)});
    adamw.step({lr, divisor, {}});
    for (size_t i = 0; i < kMatrices; ++i) {
      const Tensor gradient = store[i].grad() / (1.0 + step);
      momentum[i] = momentum[i] * 0.9 + gradient;
      const double sides = static_cast<double>(std::max(value[i].size(0), value[i].size(1)));
      value[i] = value[i] * (1 - rate * 0.3) -
                 lifted(gradient + 0.9 * momentum[i]) * rate * 0.2 * std::sqrt(sides);
      INFO("step " << step << " matrix " << i);
      CHECK(largest(store[i].detach() - value[i]) < 1e-9);
    }
    for (size_t i = kMatrices; i < store.size(); ++i) CHECK(store[i].equal(other[i]));
  }
  CHECK(muon.update_count() == 6);
}

TEST_CASE("an update is about as large as AdamW's") {
  ParameterStore store = make_store();
  const Tensor before = store[0].detach().clone();
  Muon muon(store, kVocabulary);
  set_gradients(store, 0);
  muon.step({1e-2, {}, {}});
  const double size = (store[0].detach() - before).square().mean().sqrt().item<double>();
  CHECK(size > 1e-3);  // lr 0.2 times a value near 1
  CHECK(size < 3e-3);
}

TEST_CASE("a gradient that is NaN is skipped on the device, and nothing ages") {
  for (const char* state : {"fp32", "bf16"}) {
    const MuonOptions options = MuonOptions::from_table({{"state", state}}, {});
    ParameterStore left = make_store(), right = make_store();
    Muon a(left, kVocabulary, options), b(right, kVocabulary, options);
    for (int step = 0; step < 4; ++step) {
      if (step == 2) {
        set_gradients(left, 99);
        left[0].grad()[1].fill_(std::nan(""));
        const auto values = copies(left.named_values());
        a.step({1e-2, {}, scalar(1)});
        check_equal(copies(left.named_values()), values);
      }
      set_gradients(left, step);
      set_gradients(right, step);
      a.step({1e-2, {}, scalar(0)});
      b.step({1e-2, {}, scalar(0)});
    }
    check_equal(copies(left.named_values()), copies(right.named_values()));
    CHECK(a.skip_count() == 1);
  }
}

TEST_CASE("Muon's bf16 working copies are written with the values") {
  ParameterStore store = make_store();
  Muon muon(store, kVocabulary);
  std::vector<Tensor> copies;
  for (size_t i = 0; i < store.size(); ++i) {
    copies.push_back(kernels::converted_weight(store[i], at::kBFloat16));
  }
  for (int step = 0; step < 3; ++step) {
    set_gradients(store, step);
    muon.step({1e-2, {}, scalar(step == 1)});
    for (size_t i = 0; i < store.size(); ++i) {
      const Tensor now = kernels::converted_weight(store[i], at::kBFloat16);
      CHECK(now.data_ptr() == copies[i].data_ptr());  // not made again
      CHECK(now.equal(store[i].detach().to(at::kBFloat16)));
    }
  }
}

TEST_CASE("saved momentum continues bit for bit, and converts") {
  for (const char* state : {"fp32", "8bit"}) {
    const MuonOptions options = MuonOptions::from_table({{"state", state}, {"momentum", 0.8}}, {});
    const auto run = [](Muon& muon, ParameterStore& store, int from, int to) {
      for (int step = from; step < to; ++step) {
        set_gradients(store, step);
        muon.step({1e-2, scalar(1.5), scalar(step == 3)});
      }
    };
    ParameterStore whole = make_store(), part = make_store(), fresh = make_store();
    Muon straight(whole, kVocabulary, options), first(part, kVocabulary, options);
    run(straight, whole, 0, 8);
    run(first, part, 0, 4);
    const auto saved = copies(first.state());
    CHECK(saved.at("momentum.tall").scalar_type() ==
          (std::string(state) == "fp32" ? at::kFloat : at::kBFloat16));
    CHECK(saved.count("first_moment.tall") == 0);
    CHECK(saved.count("momentum.head") == 0);
    fresh.load(part.named_values());
    Muon second(fresh, kVocabulary);
    second.set_options(first.options());
    second.load_state(saved);
    run(second, fresh, 4, 8);
    check_equal(copies(fresh.named_values()), copies(whole.named_values()));
    check_equal(second.state(), straight.state());
    CHECK(Value(second.options()) == Value(straight.options()));

    auto wrong = saved;
    wrong.erase("momentum.wide");
    CHECK_THROWS_WITH(second.load_state(wrong), Contains("no 'momentum.wide'"));
    wrong = saved;
    wrong["momentum.wide"] = at::zeros({8, 21});
    CHECK_THROWS_WITH(second.load_state(wrong), Contains("expected [8, 20]"));
    check_equal(second.state(), straight.state());
  }
}

TEST_CASE("Muon leaves what is frozen, and refuses options it does not have") {
  ParameterStore store = make_store();
  Muon muon(store, kVocabulary);
  store.set_frozen(0, true);
  const Tensor still = store[0].detach().clone(), moves = store[2].detach().clone();
  set_gradients(store, 0);
  muon.step({1e-2, {}, {}});
  CHECK(store[0].detach().equal(still));
  CHECK_FALSE(store[2].detach().equal(moves));
  const auto refused = [](const Table& table, const char* text) {
    CHECK_THROWS_WITH(MuonOptions::from_table(table, {}), Contains(text));
  };
  refused({{"momentum", 1.5}}, "muon.momentum");
  refused({{"iterations", 0}}, "muon.iterations");
  refused({{"momentun", 0.9}}, "unknown key 'momentun'");
}
