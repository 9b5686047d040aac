// The RWKV inference engine against golden logits, against itself in other chunks, lanes and
// threads, and against its own fp32 form in every weight type.
#include <cmath>

#include "core/base/error.h"
#include "core/kernels/product.h"
#include "core/models/rwkv/engine.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/synthetic_rwkv.h"
#include "tests/random_tokens.h"

using namespace rmkv;
using test::random_tokens;

namespace {

constexpr int64_t kVocabulary = 75;  // of odd_config

struct Golden {
  int64_t version, minor;
  double loss;         // mean over the 23 next-token predictions
  float first[2];      // logits 0 and 1 after the first token
  double sum, length;  // of the last logits
  float last[4];
  int64_t next[12];  // greedy
};

// rwkv-family.md, section 4.6, computed there in fp64.
const Golden kGolden[] = {
    {4,
     0,
     4.9932648,
     {-0.813373f, 0.249879f},
     5.579240,
     7.211809,
     {1.045379f, 0.227772f, -0.017709f, 0.575623f},
     {24, 10, 13, 44, 15, 43, 22, 7, 31, 15, 46, 2}},
    {5,
     0,
     4.6821909,
     {0.823868f, -1.019109f},
     -12.823878,
     7.854985,
     {-0.129747f, 0.418764f, -2.200084f, 0.881265f},
     {42, 20, 1, 9, 27, 41, 41, 34, 5, 36, 1, 19}},
    {5,
     1,
     4.4372894,
     {-1.828705f, -1.189624f},
     -14.397669,
     7.041012,
     {-0.042438f, -0.874275f, -0.200645f, -0.965723f},
     {40, 36, 42, 32, 11, 43, 25, 15, 28, 46, 36, 46}},
    {5,
     2,
     4.4937796,
     {-3.301469f, -1.397454f},
     -3.051920,
     7.800718,
     {0.984847f, -0.353038f, 0.634768f, 0.175963f},
     {7, 40, 15, 43, 46, 9, 32, 14, 6, 22, 38, 47}},
    {6,
     2,
     4.3159049,
     {0.390976f, 0.540947f},
     11.386038,
     7.418277,
     {-0.139434f, -0.374543f, 0.259193f, 1.281430f},
     {10, 37, 7, 10, 25, 47, 3, 10, 36, 31, 31, 28}},
    {7,
     2,
     4.4949125,
     {1.785111f, 2.106294f},
     11.181129,
     8.211589,
     {2.308152f, -0.071578f, 0.997860f, 2.339504f},
     {15, 36, 9, 35, 37, 35, 33, 9, 32, 15, 36, 9}},
};

std::unique_ptr<LanguageModel> synthetic_engine(const RwkvConfig& config,
                                                std::optional<WeightType> type = WeightType::F32,
                                                int threads = 1) {
  return make_rwkv_engine(config, test::synthetic_rwkv_weights(config), type, threads);
}

Tensor run(LanguageModel& model, const Tensor& tokens, State& state) {
  return model.logits(model.forward(tokens, state, {}));
}

// The same tokens in chunks of the given length.
Tensor run_in_chunks(LanguageModel& model, const Tensor& tokens, State& state, int64_t chunk) {
  std::vector<Tensor> parts;
  for (const Tensor& part : tokens.split(chunk, 1)) parts.push_back(run(model, part, state));
  return at::cat(parts, 1);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

RwkvConfig odd_config(int64_t version, int64_t channels, int64_t head_size, int64_t hidden) {
  Table table{{"architecture", "rwkv" + std::to_string(version)},
              {"vocabulary", kVocabulary},
              {"channels", channels},
              {"layers", 2},
              {"ffn_hidden", hidden}};
  if (version > 4) table["head_size"] = head_size;
  if (version == 6) table["mix_rank"] = 7;
  if (version >= 6) table["decay_rank"] = 11;
  if (version == 7) {
    table["rate_rank"] = 5;
    table["value_rank"] = 9;
    table["gate_rank"] = 21;
  }
  return RwkvConfig::from_table(table);
}

}  // namespace

TEST_CASE("the engine gives the synthetic models' golden logits") {
  for (const Golden& golden : kGolden) {
    for (const auto type : {WeightType::F32, WeightType::BF16, WeightType::F16}) {
      const RwkvConfig config = test::synthetic_rwkv_config(golden.version, golden.minor);
      CAPTURE(golden.version, golden.minor, weight_type_name(type));
      const auto model = synthetic_engine(config, type, 2);
      const Tensor tokens = test::synthetic_rwkv_tokens();
      State state = model->initial_state(1);
      kernels::set_row_invariant(true);  // no bf16 activations
      const Tensor logits = run(*model, tokens, state)[0];
      const Tensor targets = tokens[0].slice(0, 1);
      const double loss = -logits.slice(0, 0, 23)
                               .log_softmax(1)
                               .gather(1, targets.unsqueeze(1))
                               .mean()
                               .item<double>();
      CHECK(std::abs(loss - golden.loss) < 2e-6);
      for (int i = 0; i < 2; ++i) {
        CHECK(std::abs(logits[0][i].item<float>() - golden.first[i]) < 3e-6f);
      }
      for (int i = 0; i < 4; ++i) {
        CHECK(std::abs(logits[23][i].item<float>() - golden.last[i]) < 5e-6f);
      }
      CHECK(std::abs(logits[23].sum().item<double>() - golden.sum) < 5e-5);
      CHECK(std::abs(logits[23].norm().item<double>() - golden.length) < 1e-5);
      Tensor last = logits[23];
      for (const int64_t expected : golden.next) {
        const int64_t id = last.argmax().item<int64_t>();
        CHECK(id == expected);
        last = run(*model, at::full({1, 1}, id, at::kLong), state)[0][0];
      }
      kernels::set_row_invariant(false);
    }
  }
}

TEST_CASE("the engine gives the same bits in any chunks, lanes and threads") {
  const struct {
    int64_t channels, head_size, hidden;
  } sizes[] = {{64, 32, 224}, {96, 96, 100}, {80, 8, 75}, {192, 64, 512}};
  const Tensor tokens = random_tokens(kVocabulary, 3, 40, 1);
  kernels::set_row_invariant(true);
  for (const int64_t version : {4, 5, 6, 7}) {
    for (const auto& size : sizes) {
      const RwkvConfig config = odd_config(version, size.channels, size.head_size, size.hidden);
      const WeightMap weights = random_rwkv_weights(config, 5, WeightType::F32);
      for (const auto type : {WeightType::F32, WeightType::BF16, WeightType::F16, WeightType::Q8_0,
                              WeightType::Q5_1, WeightType::Q4_0}) {
        CAPTURE(version, size.channels, size.head_size, weight_type_name(type));
        const auto model = make_rwkv_engine(config, weights, type, 1);
        State state = model->initial_state(3);
        const Tensor whole = run(*model, tokens, state);
        REQUIRE(whole.isfinite().all().item<bool>());
        for (const int threads : {1, 2, 3}) {
          const auto other = make_rwkv_engine(config, weights, type, threads);
          for (const int64_t chunk : {1, 7, 40}) {
            State chunked = other->initial_state(3);
            CHECK(at::equal(run_in_chunks(*other, tokens, chunked, chunk), whole));
            CHECK(chunked.equals(state));
          }
        }
        State lane = model->initial_state(1);
        CHECK(at::equal(run(*model, tokens.slice(0, 1, 2), lane)[0], whole[1]));
        CHECK(lane.equals(state.lanes(1, 1)));
      }
    }
  }
  kernels::set_row_invariant(false);
}

TEST_CASE("blocks longer than the engine's buffers and many lanes are cut") {
  const RwkvConfig config = odd_config(7, 64, 32, 64);
  const auto model =
      make_rwkv_engine(config, random_rwkv_weights(config, 6, WeightType::F32), WeightType::F32, 2);
  const Tensor tokens = random_tokens(kVocabulary, 300, 3, 2);
  State state = model->initial_state(300);
  const Tensor logits = run(*model, tokens, state);
  State one = model->initial_state(1);
  CHECK(at::equal(run(*model, tokens.slice(0, 299), one)[0], logits[299]));
  const Tensor text = random_tokens(kVocabulary, 1, 600, 3);
  State all = model->initial_state(1), parts = model->initial_state(1);
  CHECK(at::equal(run(*model, text, all), run_in_chunks(*model, text, parts, 199)));
  CHECK(all.equals(parts));
}

TEST_CASE("coarser weights come near the fp32 engine") {
  // Relative error of the logits of random weights, which make more of it than trained ones.
  const struct {
    WeightType type;
    double limit;
  } types[] = {{WeightType::F16, 1e-2},  {WeightType::BF16, 3e-2}, {WeightType::Q8_0, 5e-2},
               {WeightType::Q5_1, 0.12}, {WeightType::Q5_0, 0.12}, {WeightType::Q4_1, 0.25},
               {WeightType::Q4_0, 0.25}};
  const Tensor tokens = random_tokens(kVocabulary, 1, 32, 4);
  for (const int64_t version : {4, 7}) {
    const RwkvConfig config = odd_config(version, 256, 64, 512);
    const WeightMap weights = random_rwkv_weights(config, 7, WeightType::F32);
    const auto exact = make_rwkv_engine(config, weights, WeightType::F32, 1);
    State state = exact->initial_state(1);
    const Tensor expected = run(*exact, tokens, state);
    for (const auto& [type, limit] : types) {
      const auto model = make_rwkv_engine(config, weights, type, 1);
      State own = model->initial_state(1);
      const Tensor logits = run(*model, tokens, own);
      const double error =
          (logits - expected).norm().item<double>() / expected.norm().item<double>();
      CAPTURE(version, weight_type_name(type), error);
      CHECK(error < limit);
      CHECK(error > 0);
    }
  }
}

TEST_CASE("stored blocks are used as they are") {
  const RwkvConfig config = odd_config(7, 64, 32, 128);
  const WeightMap floats = random_rwkv_weights(config, 8, WeightType::F32);
  const Tensor tokens = random_tokens(kVocabulary, 1, 9, 5);
  for (const auto type :
       {WeightType::Q8_0, WeightType::Q5_1, WeightType::Q5_0, WeightType::Q4_1, WeightType::Q4_0}) {
    WeightMap stored = floats, decoded = floats;
    for (auto& [name, weight] : stored) {
      const bool large = weight.shape.size() == 2 && weight.columns() % 32 == 0 &&
                         weight.columns() >= 64 && name.find(".weight") != std::string::npos;
      if (!large) continue;
      weight = converted(weight, type);
      decoded[name] = weight_of(weight.to_float());
    }
    const auto model = make_rwkv_engine(config, stored, std::nullopt, 1);
    const auto exact = make_rwkv_engine(config, decoded, std::nullopt, 1);
    State a = model->initial_state(1), b = exact->initial_state(1);
    CAPTURE(weight_type_name(type));
    // What is left is the activations' 16 bits, or 8 beside 4-bit weights.  A token whose
    // receptance and key are nearly at right angles would make far more of it: its head norm
    // divides by nearly nothing.  There is none among these.
    const bool narrow = type == WeightType::Q4_0 || type == WeightType::Q4_1;
    const Tensor expected = run(*exact, tokens, b);
    const double error = largest_difference(run(*model, tokens, a), expected);
    CHECK(error < (narrow ? 0.1 * expected.abs().max().item<double>() : 1e-3));
  }
}

TEST_CASE("bf16 prefill stays near the exact one") {
  const RwkvConfig config = odd_config(7, 128, 64, 256);
  const auto model = make_rwkv_engine(config, random_rwkv_weights(config, 9, WeightType::F32),
                                      WeightType::BF16, 2);
  const Tensor tokens = random_tokens(kVocabulary, 1, 64, 6);
  State fast_state = model->initial_state(1), state = model->initial_state(1);
  const Tensor fast = run(*model, tokens, fast_state);
  kernels::set_row_invariant(true);
  const Tensor exact = run(*model, tokens, state);
  kernels::set_row_invariant(false);
  CHECK((fast - exact).norm().item<double>() < 0.02 * exact.norm().item<double>());
}

TEST_CASE("a reset forgets, a state goes on where it was taken") {
  for (const int64_t version : {4, 6, 7}) {
    const RwkvConfig config = odd_config(version, 64, 32, 96);
    const auto model = make_rwkv_engine(config, random_rwkv_weights(config, 10, WeightType::F32),
                                        WeightType::F32, 2);
    const Tensor tokens = random_tokens(kVocabulary, 2, 12, 7);
    State state = model->initial_state(2);
    ForwardOptions options;
    options.resets = at::zeros({2, 3}, at::kBool);
    options.resets[1][2] = true;
    const Tensor hidden = model->forward(tokens, state, options);
    State plain = model->initial_state(2);
    const Tensor expected = model->forward(tokens, plain, {});
    CHECK(at::equal(hidden[0], expected[0]));
    State fresh = model->initial_state(1);
    const Tensor after = model->forward(tokens.slice(0, 1, 2).slice(1, 8), fresh, {});
    CHECK(at::equal(hidden[1].slice(0, 8), after[0]));

    // A copy stays as it is while the original goes on.
    State copy = plain;
    const Tensor before = copy.get("blocks.1.att.state").clone();
    model->forward(tokens, plain, {});
    CHECK(at::equal(copy.get("blocks.1.att.state"), before));
    CHECK_FALSE(plain.equals(copy));
  }
}

TEST_CASE("the engine refuses what it cannot compute") {
  const RwkvConfig config = odd_config(7, 64, 32, 96);
  WeightMap weights = random_rwkv_weights(config, 11, WeightType::F32);
  const auto model = make_rwkv_engine(config, weights, WeightType::F32, 1);
  State state = model->initial_state(1);
  CHECK_THROWS_WITH(model->forward(at::full({1, 1}, 75, at::kLong), state, {}),
                    Catch::Matchers::Contains("got id 75"));
  State two = model->initial_state(2);
  CHECK_THROWS_AS(model->forward(at::zeros({1, 1}, at::kLong), two, {}), Error);
  WeightMap lacking = weights;
  lacking.erase("blocks.1.att.w2");
  CHECK_THROWS_WITH(make_rwkv_engine(config, lacking, WeightType::F32, 1),
                    Catch::Matchers::Contains("blocks.1.att.w2"));
  weights["ln_out.weight"] = weight_of(at::ones({63}));
  CHECK_THROWS_WITH(make_rwkv_engine(config, weights, WeightType::F32, 1),
                    Catch::Matchers::Contains("ln_out.weight"));
}
