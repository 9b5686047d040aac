// Flat buffers: views stay views through backward, load and freezing.
#include "core/tensor/parameters.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

// Three parameters in two groups, of sizes that do not fill 64-byte lines.
ParameterStore small_store() {
  ParameterStore store;
  store.add("a.weight", at::arange(6, at::kFloat).view({2, 3}), ParameterGroup::kMatrix);
  store.add("a.bias", at::ones({3}), ParameterGroup::kVector);
  store.add("b.weight", at::full({3, 2}, 2.0f), ParameterGroup::kMatrix);
  store.finish();
  return store;
}

}  // namespace

TEST_CASE("parameters are aligned views of their group's flat values") {
  ParameterStore store = small_store();
  CHECK(store.element_count() == 15);
  const Tensor& flat = store.flat_values(ParameterGroup::kMatrix);
  CHECK(flat.sizes() == at::IntArrayRef{32});
  CHECK(store.flat_offset(2) == 16);
  CHECK(store.get("b.weight").value.data_ptr<float>() == flat.data_ptr<float>() + 16);
  CHECK_FALSE(store.flat_values(ParameterGroup::kGate).defined());
  CHECK(flat.sum().item<float>() == 15 + 12);  // gaps are zero
  {
    at::NoGradGuard no_grad;
    flat.fill_(7);
  }
  CHECK(store.get("a.weight").value.min().item<float>() == 7);
}

TEST_CASE("backward adds in place into the flat gradients") {
  ParameterStore store = small_store();
  const Tensor& weight = store.get("a.weight").value;
  const Tensor& bias = store.get("a.bias").value;
  const Tensor& gradients = store.flat_gradients(ParameterGroup::kMatrix);
  void* place = weight.grad().data_ptr();
  CHECK(place == gradients.data_ptr());
  Tensor x = at::tensor({1.0f, 2.0f});
  for (int round = 1; round <= 3; ++round) {
    // The weight is used twice, so its gradient arrives in two parts; the result is a fresh tensor
    // each time.
    Tensor y = at::matmul(x, weight) + bias;
    (y.sum() + weight.sum()).backward();
    CHECK(weight.grad().data_ptr() == place);
    CHECK(
        gradients.narrow(0, 0, 6).equal(round * at::tensor({2.0f, 2.0f, 2.0f, 3.0f, 3.0f, 3.0f})));
    CHECK(gradients.narrow(0, 6, 26).abs().sum().item<float>() == 0);
    CHECK(bias.grad().equal(at::full({3}, static_cast<float>(round))));
    CHECK(bias.grad().data_ptr() == store.flat_gradients(ParameterGroup::kVector).data_ptr());
  }
  store.zero_gradients();
  CHECK(weight.grad().data_ptr() == place);
  CHECK(weight.grad().abs().sum().item<float>() == 0);
}

TEST_CASE("a change of values between forward and backward is noticed") {
  ParameterStore store = small_store();
  const Tensor& weight = store.get("a.weight").value;
  Tensor y = (weight * weight).sum();
  {
    at::NoGradGuard no_grad;
    store.flat_values(ParameterGroup::kMatrix).add_(1);
  }
  CHECK_THROWS_WITH(y.backward(), Contains("modified by an inplace operation"));
}

TEST_CASE("load converts, and refuses other names and shapes before it writes") {
  ParameterStore store = small_store();
  std::map<std::string, Tensor> values = {{"a.weight", at::full({2, 3}, 0.5, at::kBFloat16)},
                                          {"a.bias", at::full({3}, 0.25, at::kDouble)},
                                          {"b.weight", at::zeros({3, 2})}};
  void* place = store.get("a.weight").value.data_ptr();
  uint64_t version = store.version();
  store.load(values);
  CHECK(store.version() > version);
  CHECK(store.get("a.weight").value.data_ptr() == place);
  CHECK(store.get("a.weight").value.requires_grad());
  CHECK(store.get("a.weight").value.detach().equal(at::full({2, 3}, 0.5f)));
  CHECK(store.named_values().at("a.bias").equal(at::full({3}, 0.25f)));

  auto refused = [&](std::map<std::string, Tensor> wrong, const char* text) {
    CHECK_THROWS_WITH(store.load(wrong), Contains(text));
    CHECK(store.get("a.weight").value.detach().equal(at::full({2, 3}, 0.5f)));
  };
  values["a.weight"] = at::ones({2, 3});
  auto wrong = values;
  wrong.erase("b.weight");
  refused(wrong, "missing b.weight");
  wrong = values;
  wrong["c"] = at::ones({1});
  refused(wrong, "unknown c");
  wrong = values;
  wrong["b.weight"] = at::ones({2, 3});
  refused(wrong, "misshapen b.weight fp32 [2, 3] cpu for [3, 2]");
  wrong["b.weight"] = at::ones({3, 2}, at::kLong);
  refused(wrong, "for floats");
}

TEST_CASE("unknown and repeated names are errors") {
  ParameterStore store = small_store();
  CHECK_THROWS_WITH(store.get("a.wieght"), Contains("did you mean 'a.weight'?"));
  ParameterStore twice;
  twice.add("x", at::ones({1}), ParameterGroup::kMatrix);
  CHECK_THROWS_WITH(twice.add("x", at::ones({1}), ParameterGroup::kMatrix), Contains("'x' twice"));
  CHECK_THROWS_AS(ParameterStore(at::kBFloat16), Error);
}

TEST_CASE("frozen parameters get no gradient and leave the trained spans") {
  ParameterStore store = small_store();
  auto spans = [&] {
    std::vector<std::pair<int64_t, int64_t>> list;
    for (const FlatSpan& span : store.trained_spans(ParameterGroup::kMatrix)) {
      list.push_back({span.begin, span.count});
    }
    return list;
  };
  using List = std::vector<std::pair<int64_t, int64_t>>;
  CHECK(spans() == List{{0, 32}});
  store.set_frozen(0, true);
  CHECK(spans() == List{{16, 16}});
  Tensor y = store.get("a.weight").value.sum() + store.get("b.weight").value.sum();
  y.backward();
  CHECK(store.get("a.weight").value.grad().abs().sum().item<float>() == 0);
  CHECK(store.get("b.weight").value.grad().sum().item<float>() == 6);
  store.set_group_frozen(ParameterGroup::kMatrix, true);
  CHECK(spans().empty());
  store.set_group_frozen(ParameterGroup::kMatrix, false);
  CHECK(store.is_frozen(0));  // frozen by itself, still
  CHECK_FALSE(store.is_frozen(2));
}

TEST_CASE("an fp64 store serves exact tests") {
  ParameterStore store(at::kDouble);
  store.add("x", at::ones({2}), ParameterGroup::kGate);
  store.finish();
  CHECK(store[0].scalar_type() == at::kDouble);
  CHECK(store.flat_gradients(ParameterGroup::kGate).scalar_type() == at::kDouble);
}

TEST_CASE("large buffers are zero and aligned, and take declared parameters and filled ones") {
  ParameterStore store;
  store.add("large", std::vector<int64_t>{1 << 10, 1 << 10}, ParameterGroup::kMatrix);
  store.add("given", at::ones({3}), ParameterGroup::kMatrix);
  store.finish();
  const Tensor large = store.get("large").value.detach();
  CHECK(reinterpret_cast<uintptr_t>(large.data_ptr()) % 64 == 0);
  CHECK(large.abs().max().item<float>() == 0);
  CHECK(store.get("large").value.grad().abs().max().item<float>() == 0);
  CHECK(store.get("given").value.sum().item<float>() == 3);
  const uint64_t version = store.version();
  store.fill([](Tensor& value) { value.fill_(2); });
  CHECK(large.min().item<float>() == 2);
  CHECK(store.version() > version);
}
