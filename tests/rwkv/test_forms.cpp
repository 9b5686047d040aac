// One forward for any number of tokens: sequence, step and any pieces agree, bitwise in the
// deterministic mode; causality; lanes, resets, padding; states saved and restored; replay.
#include "core/kernels/product.h"
#include "tests/catch.h"
#include "tests/random_tokens.h"
#include "tests/rwkv/synthetic.h"

using namespace rmkv;
using test::random_tokens;

namespace {

constexpr int64_t kVocabulary = 48;

struct Outcome {
  Tensor hidden;
  State state;
};

Outcome run(RwkvModel& model, const Tensor& tokens, State state, const std::vector<int64_t>& pieces,
            ForwardOptions options = {}) {
  at::NoGradGuard no_grad;
  const Tensor valid = options.valid;
  std::vector<Tensor> parts;
  size_t i = 0;
  for (int64_t first = 0; first < tokens.size(1); ++i) {
    const int64_t count = std::min(pieces[std::min(i, pieces.size() - 1)], tokens.size(1) - first);
    if (valid.defined()) options.valid = valid.narrow(1, first, count);
    parts.push_back(model.forward(tokens.narrow(1, first, count), state, options));
    first += count;
  }
  return {at::cat(parts, 1), state};
}

double difference(const Tensor& a, const Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

class Deterministic {
 public:
  Deterministic() { kernels::set_row_invariant(true); }
  ~Deterministic() { kernels::set_row_invariant(false); }
};

}  // namespace

TEST_CASE("sequence, step and any pieces agree in every version and dtype") {
  for (const auto& golden : synthetic::goldens()) {
    const Tensor tokens = random_tokens(kVocabulary, 2, 45, 3);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      INFO(golden.name << " " << dtype_name(dtype));
      ForwardOptions options;
      options.compute_dtype = dtype;
      const Outcome whole = run(*model, tokens, model->initial_state(2), {45}, options);
      for (const auto& pieces :
           std::vector<std::vector<int64_t>>{{1}, {2}, {8}, {10}, {7, 1, 33}}) {
        const Outcome parts = run(*model, tokens, model->initial_state(2), pieces, options);
        // Sixteen bits: a rounding that falls the other way travels through three layers.
        CHECK(difference(parts.hidden, whole.hidden) < (dtype == at::kFloat ? 2e-5 : 0.15));
      }
    }
  }
}

TEST_CASE("sixteen-bit products stay near fp32") {
  for (const auto& golden : synthetic::goldens()) {
    const Tensor tokens = synthetic::tokens();
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor exact = run(*model, tokens, model->initial_state(1), {24}).hidden;
    for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
      INFO(golden.name << " " << dtype_name(dtype));
      ForwardOptions options;
      options.compute_dtype = dtype;
      const Outcome narrow = run(*model, tokens, model->initial_state(1), {24}, options);
      CHECK(narrow.hidden.scalar_type() == dtype);
      CHECK(narrow.state.get("blocks.0.att.state").scalar_type() == at::kFloat);
      CHECK(difference(narrow.hidden, exact) < (dtype == at::kHalf ? 0.04 : 0.3));
    }
  }
}

TEST_CASE("fp16 needs no halving of rows every six layers: the residual stream is fp32") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    {
      at::NoGradGuard no_grad;
      Tensor scale = model->parameters().get("blocks.0.ln0.weight").value;
      scale.mul_(1e6);  // far beyond fp16's 65,504
      model->parameters().mark_changed();
    }
    const Tensor tokens = synthetic::tokens();
    const Tensor exact = run(*model, tokens, model->initial_state(1), {24}).hidden;
    ForwardOptions options;
    options.compute_dtype = at::kHalf;
    const Tensor narrow = run(*model, tokens, model->initial_state(1), {24}, options).hidden;
    CHECK(narrow.isfinite().all().item<bool>());
    CHECK(difference(narrow, exact) < 0.04);
  }
}

TEST_CASE("the deterministic mode gives the same bits for any pieces and any company") {
  const Deterministic on;
  for (const auto& golden : synthetic::goldens()) {
    const Tensor tokens = random_tokens(kVocabulary, 3, 45, 4);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      INFO(golden.name << " " << dtype_name(dtype));
      ForwardOptions options;
      options.compute_dtype = dtype;
      const Outcome whole = run(*model, tokens, model->initial_state(3), {45}, options);
      for (const auto& pieces :
           std::vector<std::vector<int64_t>>{{1}, {2}, {8}, {10}, {7, 1, 33}}) {
        const Outcome parts = run(*model, tokens, model->initial_state(3), pieces, options);
        CHECK(at::equal(parts.hidden, whole.hidden));
        CHECK(parts.state.equals(whole.state));
        CHECK(at::equal(model->logits(parts.hidden), model->logits(whole.hidden)));
      }
      for (int64_t lane = 0; lane < 3; ++lane) {
        const Outcome alone =
            run(*model, tokens.narrow(0, lane, 1), model->initial_state(1), {45}, options);
        CHECK(at::equal(alone.hidden[0], whole.hidden[lane]));
        CHECK(alone.state.equals(whole.state.lanes(lane, 1)));
      }
    }
  }
}

TEST_CASE("a state taken after any token goes on with the same bits") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor tokens = random_tokens(kVocabulary, 1, 12, 5);
    const Outcome whole = run(*model, tokens, model->initial_state(1), {1});
    for (int64_t at = 1; at < 12; ++at) {
      const Outcome before = run(*model, tokens.narrow(1, 0, at), model->initial_state(1), {1});
      State restored;  // as a file would give it: bits, nothing shared
      for (const auto& [name, tensor] : before.state.tensors()) {
        restored.set(name,
                     at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.options()).clone());
      }
      const Outcome after = run(*model, tokens.narrow(1, at, 12 - at), restored, {1});
      CHECK(at::equal(after.hidden, whole.hidden.narrow(1, at, 12 - at)));
      CHECK(after.state.equals(whole.state));
    }
  }
}

TEST_CASE("no token sees a later one") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor tokens = random_tokens(kVocabulary, 1, 20, 6);
    Tensor changed = tokens.clone();
    changed[0][13] = (tokens[0][13].item<int64_t>() + 1) % kVocabulary;
    const Tensor a = run(*model, tokens, model->initial_state(1), {20}).hidden;
    const Tensor b = run(*model, changed, model->initial_state(1), {20}).hidden;
    CHECK(at::equal(a.narrow(1, 0, 13), b.narrow(1, 0, 13)));
    for (int64_t t = 13; t < 20; ++t) CHECK(difference(a.select(1, t), b.select(1, t)) > 1e-4);
  }
}

TEST_CASE("a reset equals a fresh state, padding changes nothing") {
  const Deterministic on;
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kFloat);
    const Tensor tokens = random_tokens(kVocabulary, 2, 24, 7);
    ForwardOptions options;
    options.resets = at::zeros({2, 3}, at::kBool);
    options.resets[1][1] = true;  // lane 1 starts anew at token 8
    options.valid = at::ones({2, 24}, at::kBool);
    options.valid[0].narrow(0, 13, 3).fill_(false);  // lane 0 pads tokens 13 to 15
    const Outcome all = run(*model, tokens, model->initial_state(2), {24}, options);

    const Outcome fresh =
        run(*model, tokens.narrow(0, 1, 1).narrow(1, 8, 16), model->initial_state(1), {16});
    CHECK(at::equal(all.hidden[1].narrow(0, 8, 16), fresh.hidden[0]));
    CHECK(all.state.lanes(1, 1).equals(fresh.state));
    const Tensor without =
        at::cat({tokens[0].narrow(0, 0, 13), tokens[0].narrow(0, 16, 8)}).unsqueeze(0);
    const Outcome dense = run(*model, without, model->initial_state(1), {21});
    CHECK(at::equal(all.hidden[0].narrow(0, 0, 13), dense.hidden[0].narrow(0, 0, 13)));
    CHECK(at::equal(all.hidden[0].narrow(0, 16, 8), dense.hidden[0].narrow(0, 13, 8)));
    CHECK(all.state.lanes(0, 1).equals(dense.state));
  }
}

namespace {

std::map<std::string, Tensor> gradients(RwkvModel& model, const Tensor& tokens,
                                        const ForwardOptions& options, State& state) {
  model.parameters().zero_gradients();
  Tensor loss = model.logits(model.forward(tokens, state, options)).sin().mean();
  for (const auto& [name, tensor] : state.tensors()) {
    if (name.find("state") != std::string::npos) loss = loss + tensor.clamp_min(-100).cos().mean();
  }
  loss.backward();
  std::map<std::string, Tensor> result;
  for (const Parameter& parameter : model.parameters().all()) {
    result[parameter.name] = parameter.value.grad().clone();
  }
  return result;
}

}  // namespace

TEST_CASE("replay and a sequence in windows give the gradients of the whole") {
  for (const auto& golden : synthetic::goldens()) {
    INFO(golden.name);
    const auto model = synthetic::make_model(golden.config, at::kDouble);
    const Tensor tokens = random_tokens(kVocabulary, 2, 24, 8);
    ForwardOptions options;
    options.resets = at::zeros({2, 3}, at::kBool);
    options.resets[1][1] = true;
    State state = model->initial_state(2);
    const auto whole = gradients(*model, tokens, options, state);
    options.replay = true;
    state = model->initial_state(2);
    const auto replayed = gradients(*model, tokens, options, state);
    for (const auto& [name, gradient] : whole) {
      INFO(name);
      CHECK(difference(replayed.at(name), gradient) < 1e-12);
    }
  }
}

TEST_CASE("a tuned state starts every document and learns") {
  for (const std::string name : {"v5.2", "v6", "v7"}) {
    INFO(name);
    const auto& list = synthetic::goldens();
    const auto golden = std::find_if(list.begin(), list.end(),
                                     [&](const auto& entry) { return entry.name == name; });
    Table config = golden->config;
    config["tuned_state"] = true;
    const auto model = synthetic::make_model(config, at::kDouble);
    const Tensor tokens = random_tokens(kVocabulary, 1, 8, 9);
    ForwardOptions options;
    options.resets = at::zeros({1, 2}, at::kBool);
    options.resets[0][1] = true;
    State state = model->initial_state(1);
    model->parameters().zero_gradients();
    const Tensor hidden = model->forward(tokens, state, options);
    const Tensor fresh = run(*model, tokens.narrow(1, 4, 4), model->initial_state(1), {4}).hidden;
    CHECK(difference(hidden.narrow(1, 4, 4), fresh) < 1e-12);
    hidden.sin().sum().backward();
    const Tensor tuned = model->parameters().get("blocks.1.att.time_state").value;
    // One element against central differences.
    const double slope = tuned.grad().view(-1)[70].item<double>();
    at::NoGradGuard no_grad;
    double sides[2];
    for (const int side : {0, 1}) {
      Tensor values = tuned.detach();
      values.view(-1)[70] += side == 0 ? 1e-5 : -2e-5;
      State start = model->initial_state(1);
      sides[side] = model->forward(tokens, start, options).sin().sum().item<double>();
    }
    CHECK(slope == Approx((sides[0] - sides[1]) / 2e-5).epsilon(1e-6));
  }
}
