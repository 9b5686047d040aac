// AdamW against the textbook in fp64, groups, freezing, skipping, and state that survives a file's
// round trip.
#include "core/optim/adamw.h"

#include <cmath>

#include "core/kernels/linear.h"
#include "core/optim/clip.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kNames[] = {"w", "bias", "gate", "embed"};

// One parameter per group, filled with numbers of different sizes.
ParameterStore make_store(at::ScalarType dtype = at::kFloat) {
  ParameterStore store(dtype);
  for (int i = 0; i < kParameterGroupCount; ++i) {
    store.add(kNames[i], at::linspace(-1.0 - i, 2.0, 21, at::kDouble),
              static_cast<ParameterGroup>(i));
  }
  store.finish();
  return store;
}

void set_gradients(ParameterStore& store, int step, double scale = 1.0) {
  for (size_t i = 0; i < store.size(); ++i) {
    Tensor wave = at::sin(at::arange(21, at::kDouble) * (step + 1) + static_cast<double>(i));
    store[i].grad().copy_(wave * scale);
  }
}

// Loshchilov & Hutter, algorithm 2, one number at a time in fp64.
struct NaiveAdamw {
  AdamwOptions options;
  std::map<std::string, std::vector<double>> value, first, second;
  int updates = 0;

  void load(const ParameterStore& store) {
    for (const Parameter& parameter : store.all()) {
      Tensor flat = parameter.value.detach().to(at::kDouble).contiguous();
      value[parameter.name].assign(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
      first[parameter.name].assign(flat.numel(), 0.0);
      second[parameter.name].assign(flat.numel(), 0.0);
    }
  }

  void step(const ParameterStore& store, double lr, double divisor) {
    ++updates;
    for (const Parameter& parameter : store.all()) {
      const AdamwGroupOptions& group = options.groups[static_cast<int>(parameter.group)];
      Tensor gradient = parameter.value.grad().to(at::kDouble).contiguous();
      for (int64_t i = 0; i < gradient.numel(); ++i) {
        double g = gradient.data_ptr<double>()[i] / divisor, rate = lr * group.lr_scale;
        double& p = value[parameter.name][i];
        double& m = first[parameter.name][i];
        double& v = second[parameter.name][i];
        m = options.beta1 * m + (1 - options.beta1) * g;
        v = options.beta2 * v + (1 - options.beta2) * g * g;
        p -= rate * group.weight_decay * p;
        double corrected = m / (1 - std::pow(options.beta1, updates));
        p -= rate * corrected /
             (std::sqrt(v / (1 - std::pow(options.beta2, updates))) + options.eps);
      }
    }
  }

  double largest_error(const ParameterStore& store) {
    double worst = 0;
    for (const Parameter& parameter : store.all()) {
      Tensor flat = parameter.value.detach().to(at::kDouble).contiguous();
      for (int64_t i = 0; i < flat.numel(); ++i) {
        worst = std::max(worst, std::fabs(flat.data_ptr<double>()[i] - value[parameter.name][i]));
      }
    }
    return worst;
  }
};

// A matrix large enough for narrow moments, with a last block that is not whole, and small ones.
ParameterStore make_large_store() {
  ParameterStore store;
  store.add("w", at::zeros({80, 64}), ParameterGroup::kMatrix);
  store.add("norm", at::ones({300}), ParameterGroup::kVector);
  store.add("small", at::ones({9}), ParameterGroup::kEmbedding);
  store.finish();
  return store;
}

Tensor scalar(double x) {
  return at::scalar_tensor(x, at::kFloat);
}

Tensor all_values(const ParameterStore& store) {
  std::vector<Tensor> parts;
  for (const Parameter& parameter : store.all())
    parts.push_back(parameter.value.detach().reshape({-1}));
  return at::cat(parts).clone();
}

}  // namespace

TEST_CASE("AdamW follows the textbook, each group with its own rates") {
  for (auto dtype : {at::kDouble, at::kFloat}) {
    ParameterStore store = make_store(dtype);
    NaiveAdamw naive;
    naive.options.groups[0] = {1.0, 0.3, false};
    naive.options.groups[1] = {0.5, 0.0, false};
    naive.options.groups[3] = {2.0, 0.7, false};
    naive.options.eps = 1e-6;
    naive.load(store);
    Adamw adamw(store, naive.options);
    for (int step = 0; step < 20; ++step) {
      double lr = 1e-2 / (1 + step);
      set_gradients(store, step);
      naive.step(store, lr, 1.0);
      adamw.step({lr, {}, {}});
    }
    CHECK(naive.largest_error(store) < (dtype == at::kDouble ? 1e-12 : 2e-6));
    CHECK(adamw.update_count() == 20);
    // The gaps between parameters stay zero: the buffers' sums are the parameters' sums.
    CHECK(store.flat_values(ParameterGroup::kMatrix).narrow(0, 21, 11).abs().sum().item<double>() ==
          0);
  }
}

TEST_CASE("gradients are divided by the divisor of clipping") {
  ParameterStore store = make_store(at::kDouble);
  NaiveAdamw naive;
  naive.load(store);
  Adamw adamw(store, naive.options);
  for (int step = 0; step < 5; ++step) {
    set_gradients(store, step, 3.0);
    ClipResult clip = clip_gradients(store, 1.0);
    naive.step(store, 1e-2, clip.divisor.item<float>());
    adamw.step({1e-2, clip.divisor, clip.broken});
  }
  CHECK(naive.largest_error(store) < 1e-12);
}

TEST_CASE("the norm is the global one and the divisor never scales up") {
  ParameterStore store = make_store(at::kDouble);
  set_gradients(store, 0);
  double squares = 0;
  for (size_t i = 0; i < store.size(); ++i)
    squares += store[i].grad().square().sum().item<double>();
  ClipResult clip = clip_gradients(store, 2.0);
  CHECK(clip.norm.item<float>() == Approx(std::sqrt(squares)));
  CHECK(clip.divisor.item<float>() == Approx(std::sqrt(squares) / 2.0));
  CHECK(clip.broken.item<float>() == 0);
  CHECK(clip_gradients(store, 1e6).divisor.item<float>() == 1);
  CHECK(clip_gradients(store, 0).divisor.item<float>() == 1);
  // What is frozen does not count.
  store.set_group_frozen(ParameterGroup::kEmbedding, true);
  CHECK(clip_gradients(store, 2.0).norm.item<float>() < clip.norm.item<float>());
}

TEST_CASE("NaN and infinity are seen, skipped on the device and counted") {
  for (double poison : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    ParameterStore store = make_store();
    Adamw adamw(store);
    set_gradients(store, 0);
    adamw.step({1e-2, {}, scalar(0)});
    auto before = adamw.state();
    for (auto& entry : before) entry.second = entry.second.clone();
    Tensor values = all_values(store);
    store[1].grad()[3].fill_(poison);
    ClipResult clip = clip_gradients(store, 1.0);
    CHECK(clip.broken.item<float>() == 1);
    adamw.step({1e-2, clip.divisor, clip.broken});
    CHECK(all_values(store).equal(values));
    for (const auto& [name, tensor] : adamw.state()) {
      if (name != "skips") CHECK(tensor.equal(before.at(name)));
    }
    CHECK(adamw.skip_count() == 1);
    CHECK(adamw.update_count() == 1);
  }
}

TEST_CASE("an update is visible to whoever keeps converted weights") {
  // A kernel on raw pointers leaves the version counters of the views alone: a bf16 copy kept by
  // version would never be renewed and training in bf16 would stand still.
  ParameterStore store = make_store();
  Adamw adamw(store);
  for (int step = 0; step < 2; ++step) {
    std::vector<int64_t> before;
    for (size_t i = 0; i < store.size(); ++i) before.push_back(store[i]._version());
    set_gradients(store, step);
    adamw.step({1e-2, {}, {}});
    for (size_t i = 0; i < store.size(); ++i) CHECK(store[i]._version() > before[i]);
  }
}

TEST_CASE("the bf16 working copy is written with the value") {
  for (const char* state : {"fp32", "bf16", "8bit"}) {
    ParameterStore store = make_large_store();
    Adamw adamw(store, AdamwOptions::from_table({{"state", state}}));
    const Tensor copy = kernels::converted_weight(store[0], at::kBFloat16);
    for (int step = 0; step < 3; ++step) {
      for (size_t i = 0; i < store.size(); ++i) store[i].grad().fill_(0.5 - step);
      adamw.step({1e-2, {}, scalar(step == 1)});
      const Tensor now = kernels::converted_weight(store[0], at::kBFloat16);
      CHECK(now.data_ptr() == copy.data_ptr());  // not made again
      CHECK(now.equal(store[0].detach().to(at::kBFloat16)));
    }
    // What somebody else wrote makes it out of date, whatever the optimiser does next.
    store.load({{"w", at::ones({80, 64})}, {"norm", at::ones({300})}, {"small", at::ones({9})}});
    adamw.step({0.0, {}, scalar(1)});
    CHECK(kernels::converted_weight(store[0], at::kBFloat16)
              .equal(at::ones({80, 64}, at::kBFloat16)));
  }
}

TEST_CASE("large matrices take the narrow state, the rest stays in fp32") {
  ParameterStore store = make_large_store();
  Adamw adamw(store, AdamwOptions::from_table({{"state", "8bit"}}));
  const auto state = adamw.state();
  CHECK(state.at("first_moment.w").scalar_type() == at::kByte);
  CHECK(state.at("second_scale.w").sizes() == at::IntArrayRef{20});
  CHECK(state.at("first_moment.norm").scalar_type() == at::kFloat);
  CHECK(state.at("first_moment.small").scalar_type() == at::kFloat);
  CHECK(state.count("first_scale.small") == 0);
}

TEST_CASE("narrow states stay near fp32's path") {
  // A regression: w is to become the target; the loss that is left tells the states apart.
  const auto loss_after = [](const char* state) {
    ParameterStore store = make_large_store();
    Adamw adamw(store, AdamwOptions::from_table({{"state", state}, {"betas", List{0.9, 0.999}}}));
    const Tensor target = at::sin(at::arange(80 * 64, at::kDouble)).view({80, 64}).to(at::kFloat);
    double loss = 0;
    for (int step = 0; step < 400; ++step) {
      const Tensor error = store[0].detach() - target;
      loss = error.square().mean().item<double>();
      store.zero_gradients();
      store[0].grad().copy_(error);
      adamw.step({3e-2 * (1 - step / 400.0), {}, {}});
    }
    return loss;
  };
  const double full = loss_after("fp32");
  CHECK(full < 5e-4);
  CHECK(loss_after("bf16") < full * 2);
  CHECK(loss_after("8bit") < full * 2);
}

TEST_CASE("a narrow state is saved and continued bit for bit, and converts into another") {
  for (const char* state : {"bf16", "8bit"}) {
    const auto run = [](Adamw& adamw, ParameterStore& store, int from, int to) {
      for (int step = from; step < to; ++step) {
        for (size_t i = 0; i < store.size(); ++i) {
          const Tensor place = at::arange(store[i].numel(), at::kDouble).view(store[i].sizes());
          store[i].grad().copy_(at::sin(place * (step + 1)) * at::exp(at::cos(place) * 5));
        }
        adamw.step({1e-2, scalar(1.5), scalar(step == 3)});
      }
    };
    const AdamwOptions options = AdamwOptions::from_table({{"state", state}});
    ParameterStore whole = make_large_store(), part = make_large_store(),
                   fresh = make_large_store();
    Adamw straight(whole, options), first(part, options);
    run(straight, whole, 0, 8);
    run(first, part, 0, 4);
    std::map<std::string, Tensor> saved;
    for (const auto& [name, tensor] : first.state()) saved[name] = tensor.clone();
    fresh.load(part.named_values());
    Adamw second(fresh);
    second.set_options(first.options());
    second.load_state(saved);
    run(second, fresh, 4, 8);
    CHECK(all_values(fresh).equal(all_values(whole)));
    for (const auto& [name, tensor] : straight.state()) {
      INFO(name);
      CHECK(second.state().at(name).equal(tensor));
    }
    // Into fp32 nothing is lost; a scale too many is refused.
    Adamw wide(part);
    wide.load_state(saved);
    const double moved = (wide.state().at("second_moment.w").sum() > 0).item<bool>();
    CHECK(moved == 1);
    auto wrong = saved;
    wrong["first_scale.norm"] = at::zeros({2});
    CHECK_THROWS_WITH(wide.load_state(wrong), Contains("scales"));
  }
}

TEST_CASE("a skipped step does not age the moments") {
  ParameterStore left = make_store(), right = make_store();
  Adamw a(left), b(right);
  for (int step = 0; step < 4; ++step) {
    if (step == 2) {
      set_gradients(left, 99);
      a.step({1e-2, {}, scalar(1)});
    }
    set_gradients(left, step);
    set_gradients(right, step);
    a.step({1e-2, {}, scalar(0)});
    b.step({1e-2, {}, scalar(0)});
  }
  CHECK(all_values(left).equal(all_values(right)));
}

TEST_CASE("frozen groups and parameters stay") {
  ParameterStore store = make_store();
  Adamw adamw(
      store, AdamwOptions::from_table({{"groups", Table{{"embedding", Table{{"frozen", true}}}}}}));
  store.set_frozen(1, true);
  Tensor embed = store[3].detach().clone(), bias = store[1].detach().clone(),
         w = store[0].detach().clone();
  CHECK_FALSE(store[3].requires_grad());
  for (int step = 0; step < 3; ++step) {
    set_gradients(store, step);
    adamw.step({1e-2, {}, {}});
  }
  CHECK(store[3].detach().equal(embed));
  CHECK(store[1].detach().equal(bias));
  CHECK_FALSE(store[0].detach().equal(w));
  adamw.set_options({{"groups", Table{{"embedding", Table{{"frozen", false}}}}}});
  CHECK(store[3].requires_grad());
}

TEST_CASE("saved state continues bit for bit, with options other than the constructor's") {
  AdamwOptions options;
  options.beta1 = 0.8;
  options.beta2 = 0.99;
  options.eps = 1e-5;
  options.groups[2] = {7.0, 0.01, false};
  ParameterStore whole = make_store(), part = make_store();
  Adamw straight(whole, options);
  auto run = [](Adamw& adamw, ParameterStore& store, int from, int to) {
    for (int step = from; step < to; ++step) {
      set_gradients(store, step);
      adamw.step({1e-2, scalar(1.5), scalar(step == 3)});
    }
  };
  run(straight, whole, 0, 10);

  std::map<std::string, Tensor> saved;
  Table saved_options;
  {
    Adamw first(part, options);
    run(first, part, 0, 5);
    for (const auto& [name, tensor] : first.state()) saved[name] = tensor.clone();
    saved_options = first.options();
  }
  ParameterStore fresh = make_store();
  fresh.load(part.named_values());
  Adamw second(fresh);  // the defaults, until the saved options arrive
  second.set_options(saved_options);
  second.load_state(saved);
  run(second, fresh, 5, 10);
  CHECK(all_values(fresh).equal(all_values(whole)));
  CHECK(second.skip_count() == 1);
  CHECK(Value(second.options()) == Value(straight.options()));
}

TEST_CASE("a wrong state is refused before anything is written") {
  ParameterStore store = make_store();
  Adamw adamw(store);
  set_gradients(store, 0);
  adamw.step({1e-2, {}, {}});
  std::map<std::string, Tensor> state;
  for (const auto& [name, tensor] : adamw.state()) state[name] = at::zeros_like(tensor);
  auto wrong = state;
  wrong.erase("second_moment.w");
  CHECK_THROWS_WITH(adamw.load_state(wrong), Contains("no 'second_moment.w'"));
  wrong = state;
  wrong["first_moment.v"] = at::zeros({1});
  CHECK_THROWS_WITH(adamw.load_state(wrong), Contains("'first_moment.v'"));
  wrong = state;
  wrong["first_moment.w"] = at::zeros({20});
  CHECK_THROWS_WITH(adamw.load_state(wrong), Contains("expected [21]"));
  CHECK(adamw.update_count() == 1);
  CHECK(adamw.state().at("first_moment.w").abs().sum().item<float>() > 0);
}

TEST_CASE("options are closed and within range") {
  auto refused = [](Table table, const char* text) {
    CHECK_THROWS_WITH(AdamwOptions::from_table(table), Contains(text));
  };
  refused({{"beta", List{0.9, 0.99}}}, "did you mean 'betas'");
  refused({{"betas", List{0.9}}}, "expected two");
  refused({{"betas", List{0.9, 1.0}}}, "0 <= beta < 1");
  refused({{"groups", Table{{"gates", Table{}}}}}, "did you mean 'gate'");
  refused({{"groups", Table{{"gate", Table{{"lr", 2}}}}}}, "unknown key 'lr'");
  refused({{"weight_decay", -1}}, "adamw.weight_decay");
  refused({{"state", "12bit"}}, "8bit");
  AdamwOptions options = AdamwOptions::from_table({{"weight_decay", 0.2}});
  CHECK(options.groups[0].weight_decay == 0.2);
  CHECK(options.groups[2].lr_scale == 20.0);
}
