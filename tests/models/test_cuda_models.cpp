// The invariants of the models on a GPU, where there is one: the same model on the CPU is the
// reference.  Numbers T1 .. T17: memory-architectures.md, section 4.9.
//
// fp32 throughout unless a test says bf16; tolerances are those of the list, widened where cuBLAS
// sums in another order than the CPU.
#include "core/models/language_model.h"
#include "core/tensor/cuda_runtime.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using variants::difference;
using variants::kSegment;
using variants::random_tokens;

namespace {

constexpr uint64_t kSeed = 9;
constexpr int64_t kCount = 3 * kSegment;

std::vector<variants::Variant> models() {
  std::vector<variants::Variant> list = variants::few_variants();
  list.push_back({"microrwkv",
                  {{"architecture", "microrwkv"},
                   {"vocabulary", variants::kVocabulary},
                   {"channels", 16},
                   {"layers", 2},
                   {"heads", 4},
                   {"key_heads", 2},
                   {"block_tokens", 12},
                   {"window", 5},
                   {"expert_channels", 10}}});
  return list;
}

// One model twice: on the CPU and, with the same parameters, on the GPU.
struct Twins {
  explicit Twins(const Table& config)
      : cpu(create_model(config, kSeed)), gpu(create_model(config, kSeed, at::kFloat, at::kCUDA)) {
    variants::randomize(cpu->parameters(), kSeed);
    gpu->parameters().load(cpu->parameters().named_values());
  }
  std::unique_ptr<LanguageModel> cpu, gpu;
};

struct Run {
  Tensor hidden;  // on the CPU
  State state;    // where the model is
};

Run run(LanguageModel& model, const Tensor& tokens, ForwardOptions options = {}) {
  at::NoGradGuard no_grad;
  const at::Device device = model.parameters().device();
  if (options.valid.defined()) options.valid = options.valid.to(device);
  if (options.resets.defined()) options.resets = options.resets.to(device);
  Run result{{}, model.initial_state(tokens.size(0))};
  result.hidden = model.forward(tokens.to(device), result.state, options).to(at::kCPU);
  return result;
}

State moved(const State& state, at::Device device) {
  State copy = state;
  for (const auto& [name, tensor] : state.tensors()) copy.set(name, tensor.to(device));
  return copy;
}

double state_difference(const State& a, const State& b) {
  return difference(moved(a, at::kCPU), moved(b, at::kCPU));
}

std::map<std::string, Tensor> gradients(LanguageModel& model, const Tensor& tokens) {
  model.parameters().zero_gradients();
  State state = model.initial_state(tokens.size(0));
  const Tensor hidden = model.forward(tokens.to(model.parameters().device()), state, {});
  Tensor loss = model.logits(hidden).sin().sum();
  if (const Tensor extra = model.take_auxiliary_loss(); extra.defined()) loss = loss + extra;
  loss.backward();
  std::map<std::string, Tensor> result;
  for (const Parameter& parameter : model.parameters().all()) {
    result[parameter.name] = parameter.value.grad().to(at::kCPU);
  }
  return result;
}

bool no_gpu() {
  std::string why;
  if (cuda_available(&why)) return false;
  WARN("SKIPPED: " << why);
  return true;
}

}  // namespace

TEST_CASE("cuda: values and states are those of the CPU", "[cuda]") {
  if (no_gpu()) return;
  for (const auto& [name, config] : models()) {
    INFO(name);
    Twins twins(config);
    const Tensor tokens = random_tokens(3, kCount, kSeed);
    const Run cpu = run(*twins.cpu, tokens), gpu = run(*twins.gpu, tokens);
    CHECK(difference(cpu.hidden, gpu.hidden) < 1e-4);
    CHECK(state_difference(cpu.state, gpu.state) < 1e-3);
  }
}

TEST_CASE("cuda: gradients are those of the CPU", "[cuda]") {
  if (no_gpu()) return;
  for (const auto& [name, config] : models()) {
    Twins twins(config);
    const Tensor tokens = random_tokens(2, kCount, kSeed);
    const auto cpu = gradients(*twins.cpu, tokens), gpu = gradients(*twins.gpu, tokens);
    for (const auto& [parameter, gradient] : cpu) {
      INFO(name << " " << parameter);
      const double size = gradient.abs().max().item<double>();
      CHECK(difference(gradient, gpu.at(parameter)) < 1e-3 * (size + 1e-2));
    }
  }
}

TEST_CASE("cuda T1, T2: nothing of the future reaches the past", "[cuda]") {
  if (no_gpu()) return;
  for (const auto& [name, config] : models()) {
    INFO(name);
    Twins twins(config);
    const Tensor tokens = at::arange(kCount, at::kLong).unsqueeze(0);
    for (const int64_t changed : {1, 6, 11, 17}) {
      Tensor other = tokens.clone();
      other.narrow(1, changed, kCount - changed).add_(3).remainder_(variants::kVocabulary);
      const Run one = run(*twins.gpu, tokens), two = run(*twins.gpu, other);
      CHECK(at::equal(one.hidden.narrow(1, 0, changed), two.hidden.narrow(1, 0, changed)));
      CHECK(difference(one.hidden.select(1, changed), two.hidden.select(1, changed)) > 1e-4);
    }
    if (const Value* tied = find(config, "tie_head"); tied && !tied->as_bool()) continue;
    for (const int64_t rows : {1, 7, 12}) {
      LanguageModel& model = *twins.gpu;
      model.parameters().zero_gradients();
      State state = model.initial_state(1);
      model.forward(tokens.to(at::kCUDA), state, {}).narrow(1, 0, rows).sin().sum().backward();
      for (const Parameter& parameter : model.parameters().all()) {
        if (parameter.group != ParameterGroup::kEmbedding) continue;
        const Tensor later = parameter.value.grad().narrow(0, rows, kCount - rows);
        CHECK(later.abs().max().item<double>() == 0.0);
      }
    }
  }
}

TEST_CASE("cuda T4, T5: parallel, token by token and any split agree", "[cuda]") {
  if (no_gpu()) return;
  for (const auto& [name, config] : models()) {
    Twins twins(config);
    const Tensor tokens = random_tokens(2, 5 * kSegment, kSeed);
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      ForwardOptions options;
      options.compute_dtype = dtype;
      const Run whole = run(*twins.gpu, tokens, options);
      const Tensor expected = whole.hidden.to(at::kFloat);
      for (const std::vector<int64_t>& pieces : {std::vector<int64_t>{1}, {7}, {4, 13, 1}}) {
        INFO(name << " " << dtype_name(dtype) << " pieces from " << pieces[0]);
        State state = twins.gpu->initial_state(2);
        const Tensor hidden =
            variants::run_in_pieces(*twins.gpu, tokens.to(at::kCUDA), state, pieces, dtype);
        if (dtype == at::kFloat) {
          CHECK(difference(hidden.to(at::kCPU), expected) < 1e-4);
        } else {
          const Tensor error = hidden.to(at::kCPU, at::kFloat) - expected;
          CHECK((error.norm() / expected.norm()).item<double>() < 3e-2);
        }
      }
    }
  }
}

TEST_CASE("cuda T9: a state that went to the CPU and back goes on bit for bit", "[cuda]") {
  if (no_gpu()) return;
  at::NoGradGuard no_grad;
  for (const auto& [name, config] : models()) {
    INFO(name);
    Twins twins(config);
    const Tensor tokens = random_tokens(2, kCount + 2, kSeed).to(at::kCUDA);
    State state = twins.gpu->initial_state(2);
    variants::run_in_pieces(*twins.gpu, tokens.narrow(1, 0, 9), state, {1}, at::kFloat);
    State saved = moved(moved(state, at::kCPU), at::kCUDA);
    const Tensor rest = tokens.narrow(1, 9, kCount - 7);
    const Tensor direct = variants::run_in_pieces(*twins.gpu, rest, state, {1}, at::kFloat);
    const Tensor restored = variants::run_in_pieces(*twins.gpu, rest, saved, {1}, at::kFloat);
    CHECK(at::equal(direct, restored));
    CHECK(state.equals(saved));
  }
}

TEST_CASE("cuda T10: a reset lane is as a fresh one, and lanes do not know of each other",
          "[cuda]") {
  if (no_gpu()) return;
  for (const auto& [name, config] : models()) {
    INFO(name);
    Twins twins(config);
    const Tensor tokens = random_tokens(3, kCount, kSeed);
    ForwardOptions options;
    options.resets = at::zeros({3, 3}, at::kBool);
    options.resets[1][1] = true;
    const Run with = run(*twins.gpu, tokens, options), without = run(*twins.gpu, tokens);
    const Run fresh = run(*twins.gpu, tokens.narrow(1, kSegment, 2 * kSegment));
    CHECK(difference(with.hidden[1].narrow(0, kSegment, 2 * kSegment), fresh.hidden[1]) < 1e-4);
    CHECK(difference(with.hidden[0], without.hidden[0]) < 1e-5);
    Tensor other = tokens.clone();
    other[2].add_(5).remainder_(variants::kVocabulary);
    const Run changed = run(*twins.gpu, other);
    CHECK(at::equal(changed.hidden.narrow(0, 0, 2), without.hidden.narrow(0, 0, 2)));
  }
}

TEST_CASE("cuda T11: padding is as if it were not there", "[cuda]") {
  if (no_gpu()) return;
  for (const auto& [name, config] : models()) {
    INFO(name);
    Twins twins(config);
    const Tensor tokens = random_tokens(2, kCount, kSeed);
    ForwardOptions options;
    options.valid = at::ones({2, kCount}, at::kBool);
    options.valid[0].narrow(0, 2 * kSegment + 3, 3).fill_(false);
    options.valid[1].narrow(0, 0, 2).fill_(false);
    const Run padded = run(*twins.gpu, tokens, options), plain = run(*twins.gpu, tokens);
    CHECK(difference(padded.hidden[0].narrow(0, 0, 2 * kSegment + 3),
                     plain.hidden[0].narrow(0, 0, 2 * kSegment + 3)) < 1e-4);
    const Run cpu = run(*twins.cpu, tokens, options);
    const Tensor kept = options.valid.unsqueeze(2);
    CHECK(difference(padded.hidden * kept, cpu.hidden * kept) < 1e-4);
    CHECK(state_difference(padded.state, cpu.state) < 1e-3);
  }
}

TEST_CASE("cuda T17: the auxiliary loss has a gradient on the device", "[cuda]") {
  if (no_gpu()) return;
  Twins twins(models().back().config);
  State state = twins.gpu->initial_state(2);
  twins.gpu->forward(random_tokens(2, kCount, kSeed).to(at::kCUDA), state, {});
  const Tensor loss = twins.gpu->take_auxiliary_loss();
  REQUIRE(loss.defined());
  CHECK(loss.is_cuda());
  loss.backward();
  const Tensor gradient = twins.gpu->parameters().get("blocks.0.moe.gate.weight").value.grad();
  CHECK(gradient.abs().max().item<double>() > 0);
}
