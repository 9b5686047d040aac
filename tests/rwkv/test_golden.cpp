// The synthetic golden models of every version: logits, loss, state, greedy tokens, gradients; and
// that deliberate bugs show.  Source: rwkv-family.md, sections 4.5 and 4.6.
#include "tests/catch.h"
#include "tests/rwkv/synthetic.h"

using namespace rmkv;

namespace {

struct Precision {
  at::ScalarType dtype;
  double logits;     // largest error of a logit
  double gradients;  // relative, beside 2e-8 absolute: the golden values have eight decimals
};
const Precision kPrecisions[] = {{at::kDouble, 1e-6, 1e-6}, {at::kFloat, 2e-5, 1e-3}};

std::string full_name(const std::string& name) {
  return name.rfind("att.", 0) == 0 || name.rfind("ffn.", 0) == 0 ? "blocks.1." + name : name;
}

Tensor all_logits(RwkvModel& model) {
  at::NoGradGuard no_grad;
  State state = model.initial_state(1);
  return model.logits(model.forward(synthetic::tokens(), state, {}))[0].to(at::kDouble);
}

}  // namespace

TEST_CASE("synthetic models have the golden weights") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kDouble);
    const auto values = model->parameters().named_values();
    CHECK(static_cast<int64_t>(values.size()) == golden.tensors);
    int64_t count = 0;
    double sum = 0;
    for (const auto& [name, value] : values) {
      count += value.numel();
      sum += value.detach().sum().item<double>();
    }
    CHECK(count == golden.parameters);
    CHECK(count == rwkv_parameter_count(RwkvConfig::from_table(golden.config)));
    CHECK(sum == Approx(golden.weight_sum).epsilon(1e-9));
  }
}

TEST_CASE("synthetic models give the golden logits, states and greedy tokens") {
  at::NoGradGuard no_grad;
  for (const auto& golden : synthetic::goldens()) {
    for (const auto& precision : kPrecisions) {
      INFO(golden.name << " " << dtype_name(precision.dtype));
      const auto model = synthetic::make_model(golden.config, precision.dtype);
      const Tensor rows = all_logits(*model);
      const auto near = [&](double value, double expected) {
        return std::fabs(value - expected) < precision.logits;
      };
      CHECK(near(rows[0][0].item<double>(), golden.first_logits[0]));
      CHECK(near(rows[0][1].item<double>(), golden.first_logits[1]));
      const Tensor last = rows[23];
      for (size_t i = 0; i < golden.last_logits.size(); ++i) {
        CHECK(near(last[static_cast<int64_t>(i)].item<double>(), golden.last_logits[i]));
      }
      CHECK(std::fabs(last.sum().item<double>() - golden.last_sum) < 10 * precision.logits);
      CHECK(near(last.norm().item<double>(), golden.last_norm));
      CHECK(near(synthetic::mean_loss(*model).item<double>(), golden.nll));

      State state = model->initial_state(1);
      Tensor logits = model->logits(model->forward(synthetic::tokens(), state, {}));
      int64_t floats = 0;
      double squares = 0;
      for (const auto& [name, tensor] : state.tensors()) {
        floats += tensor.numel();
        squares += tensor.to(at::kDouble).square().sum().item<double>();
      }
      CHECK(floats == golden.state_floats);
      CHECK(std::fabs(std::sqrt(squares) - golden.state_norm) < 20 * precision.logits);
      for (const int64_t expected : golden.greedy) {
        const Tensor best = logits.select(1, logits.size(1) - 1).argmax(-1, /*keepdim=*/true);
        CHECK(best.item<int64_t>() == expected);
        logits = model->logits(model->forward(best, state, {}));
      }
    }
  }
}

TEST_CASE("synthetic models give the golden gradients") {
  for (const auto& golden : synthetic::goldens()) {
    for (const auto& precision : kPrecisions) {
      INFO(golden.name << " " << dtype_name(precision.dtype));
      const auto model = synthetic::make_model(golden.config, precision.dtype);
      synthetic::mean_loss(*model).backward();
      for (const auto& [name, index, expected] : golden.gradients) {
        INFO(name);
        const double value =
            model->parameters().get(full_name(name)).value.grad().view(-1)[index].item<double>();
        CHECK(std::fabs(value - expected) < precision.gradients * std::fabs(expected) + 2e-8);
      }
    }
  }
}

namespace {

// A bug made by changing weights or options, and the largest change of a last logit it must cause.
struct Mutation {
  std::string version, what;
  Table options;
  std::map<std::string, double> constants;  // parameters (by the end of their name) set to a value
  double change;
};

}  // namespace

// The expected changes are those of the independent implementation, with two figures.
TEST_CASE("deliberate bugs change the golden logits as much as they should") {
  const std::vector<Mutation> mutations = {
      {"v4", "feed-forward dropped", {}, {{"ffn.value.weight", 0}}, 2.2},
      {"v5.2", "feed-forward dropped", {}, {{"ffn.value.weight", 0}}, 2.6},
      {"v6", "feed-forward dropped", {}, {{"ffn.value.weight", 0}}, 2.0},
      {"v7", "feed-forward dropped", {}, {{"ffn.value.weight", 0}}, 2.3},
      {"v4", "no decay", {}, {{"time_decay", -1e3}}, 1.0},
      {"v5.2", "no decay", {}, {{"time_decay", -1e3}}, 1.2},
      {"v5.2", "no bonus", {}, {{"time_faaaa", 0}}, 0.79},
      {"v6", "no bonus", {}, {{"time_faaaa", 0}}, 1.5},
      {"v7", "no bonus", {}, {{"r_k", 0}}, 0.75},
      {"v6", "decay's low-rank map dropped", {}, {{"time_decay_w2", 0}}, 0.42},
      {"v7", "decay's low-rank map dropped", {}, {{"att.w2", 0}}, 0.22},
      {"v6", "per-token shift dropped", {}, {{"time_maa_w2", 0}}, 2.6},
      {"v7", "k_a dropped", {}, {{"k_a", 0}}, 1.1},
      {"v7", "value residual dropped", {}, {{"v0", -1e3}}, 1.2},
      {"v5.2", "group norm's epsilon", {{"group_norm_epsilon", 1e-5}}, {}, 1.5e-4},
      {"v6", "group norm's epsilon", {{"group_norm_epsilon", 1e-5}}, {}, 2e-4},
      {"v7", "group norm's epsilon", {{"group_norm_epsilon", 1e-5}}, {}, 0.019},
  };
  for (const Mutation& mutation : mutations) {
    INFO(mutation.version << ": " << mutation.what);
    const auto& list = synthetic::goldens();
    const auto golden = std::find_if(list.begin(), list.end(), [&](const auto& entry) {
      return entry.name == mutation.version;
    });
    REQUIRE(golden != list.end());
    const Tensor right = all_logits(*synthetic::make_model(golden->config, at::kDouble));
    Table config = golden->config;
    for (const auto& [key, value] : mutation.options) config[key] = value;
    const auto model = synthetic::make_model(config, at::kDouble);
    for (const Parameter& parameter : model->parameters().all()) {
      for (const auto& [end, constant] : mutation.constants) {
        const std::string& name = parameter.name;
        if (name.size() < end.size() || name.compare(name.size() - end.size(), end.size(), end)) {
          continue;
        }
        parameter.value.detach().fill_(constant);
      }
    }
    const double change = (all_logits(*model)[23] - right[23]).abs().max().item<double>();
    CHECK(change > 0.9 * mutation.change);
    CHECK(change < 1.1 * mutation.change);
  }
}
