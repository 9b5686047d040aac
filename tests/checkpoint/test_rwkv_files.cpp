// Published RWKV files compute what their authors published: logits in every mode, the digit
// reversal, states saved anywhere (rwkv-family.md, sections 4.1, 4.4 and 4.7).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <sstream>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/checkpoint/model_loader.h"
#include "core/kernels/product.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/shared_data.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

struct Fixture {
  const char* file;
  const char* expected;
  double tolerance;
};

// rwkv.cpp's models; the prompt is the three bytes "in.
constexpr Fixture kFixtures[] = {
    {"tiny-rwkv-4v0-660K-FP32.bin", "expected-logits-4v0-660K.bin", 2e-5},
    {"tiny-rwkv-5v1-730K-FP32.bin", "expected-logits-5v1-730K.bin", 2e-5},
    {"tiny-rwkv-6v0-3m-Q5_1.bin", "expected-logits-6v0-3m.bin", 0.1},
    {"tiny-rwkv-7v0-834K-FP32.bin", "expected-logits-7v0-834K.bin", 2e-5},
};
constexpr char kPrompt[] = "\"in";
// The sentence of rwkv.cpp's chunking test.
constexpr char kSentence[] =
    "This is a port of [BlinkDL/RWKV-LM](https://github.com/BlinkDL/RWKV-LM";

Tensor bytes_of(const std::string& text) {
  Tensor ids = at::empty({1, static_cast<int64_t>(text.size())}, at::kLong);
  for (size_t i = 0; i < text.size(); ++i) {
    ids[0][static_cast<int64_t>(i)] = static_cast<int64_t>(static_cast<unsigned char>(text[i]));
  }
  return ids;
}

// Logits after every token, fed in pieces of `chunk`.
Tensor logits_of(LanguageModel& model, State& state, const Tensor& ids, int64_t chunk) {
  at::NoGradGuard no_grad;
  std::vector<Tensor> rows;
  for (int64_t first = 0; first < ids.size(1); first += chunk) {
    const int64_t count = std::min(chunk, ids.size(1) - first);
    rows.push_back(model.logits(model.forward(ids.narrow(1, first, count), state, {})));
  }
  return at::cat(rows, 1)[0];
}

Tensor logits_of(LanguageModel& model, const Tensor& ids, int64_t chunk) {
  State state = model.initial_state(1);
  return logits_of(model, state, ids, chunk);
}

Tensor expected_logits(const std::string& path) {
  const std::string bytes = read_file(path);
  Tensor expected = at::empty({static_cast<int64_t>(bytes.size() / 4)}, at::kFloat);
  std::memcpy(expected.mutable_data_ptr(), bytes.data(), bytes.size());
  return expected;
}

double difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

struct Deterministic {
  Deterministic() { kernels::set_row_invariant(true); }
  ~Deterministic() { kernels::set_row_invariant(false); }
};

}  // namespace

TEST_CASE("published files give the published logits in every mode", "[files]") {
  if (shared_data("rwkv").empty()) {
    WARN("SKIPPED: no ../shared/data/rwkv");
    return;
  }
  for (const Fixture& fixture : kFixtures) {
    const Tensor expected = expected_logits(shared_data(std::string("rwkv/") + fixture.expected));
    for (const char* weights : {"", "stored"}) {
      LoadOptions options;
      options.weights = weights;
      LoadedModel loaded = load_model(shared_data(std::string("rwkv/") + fixture.file), options);
      for (const int64_t chunk : {3, 1, 2}) {
        INFO(fixture.file << " weights '" << weights << "' chunk " << chunk);
        const Tensor logits = logits_of(*loaded.model, bytes_of(kPrompt), chunk)[2];
        // The engine multiplies quantised weights by quantised activations.
        const bool packed = fixture.tolerance > 0.01 && *weights;
        CHECK(difference(logits, expected) <= (packed ? 2 : 1) * fixture.tolerance);
        CHECK(logits.argmax().item<int64_t>() == expected.argmax().item<int64_t>());
      }
    }
  }
}

TEST_CASE("any chunking of a longer text agrees, bit for bit when deterministic", "[files]") {
  if (shared_data("rwkv").empty()) {
    WARN("SKIPPED: no ../shared/data/rwkv");
    return;
  }
  const Tensor ids = bytes_of(kSentence);
  for (const Fixture& fixture : kFixtures) {
    LoadedModel loaded = load_model(shared_data(std::string("rwkv/") + fixture.file));
    const Tensor whole = logits_of(*loaded.model, ids, 70);
    for (const int64_t chunk : {1, 2, 8, 10}) {
      INFO(fixture.file << " chunk " << chunk);
      CHECK(difference(logits_of(*loaded.model, ids, chunk), whole) <= 2e-5);
    }
    const Deterministic mode;
    State first = loaded.model->initial_state(1);
    const Tensor exact = logits_of(*loaded.model, first, ids, 70);
    for (const int64_t chunk : {1, 2, 8, 10}) {
      INFO(fixture.file << " deterministic, chunk " << chunk);
      State state = loaded.model->initial_state(1);
      CHECK(at::equal(logits_of(*loaded.model, state, ids, chunk), exact));
      CHECK(state.equals(first));
    }
  }
}

TEST_CASE("a state taken at any token goes on with the same bits", "[files]") {
  if (shared_data("rwkv").empty()) {
    WARN("SKIPPED: no ../shared/data/rwkv");
    return;
  }
  const Deterministic mode;
  const Tensor ids = bytes_of("a state is saved at every one of these");
  for (const Fixture& fixture : kFixtures) {
    LoadedModel loaded = load_model(shared_data(std::string("rwkv/") + fixture.file));
    State end = loaded.model->initial_state(1);
    const Tensor whole = logits_of(*loaded.model, end, ids, ids.size(1));
    for (int64_t cut = 1; cut < ids.size(1); cut += 5) {
      INFO(fixture.file << " cut " << cut);
      State before = loaded.model->initial_state(1);
      logits_of(*loaded.model, before, ids.narrow(1, 0, cut), cut);
      State after;  // every tensor by way of its bytes
      for (const auto& [name, tensor] : before.tensors()) after.set(name, tensor.clone());
      for (const auto& [name, value] : before.counters()) after.set_counter(name, value);
      const Tensor rest = logits_of(*loaded.model, after, ids.narrow(1, cut, ids.size(1) - cut), 7);
      CHECK(at::equal(rest, whole.narrow(0, cut, ids.size(1) - cut)));
      CHECK(after.equals(end));
    }
  }
}

namespace {

// Python's random.Random(42): MT19937 seeded by the array {42}.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed) {
    std::vector<uint32_t> mt(624);
    mt[0] = 19650218u;
    for (uint32_t i = 1; i < 624; ++i) mt[i] = 1812433253u * (mt[i - 1] ^ (mt[i - 1] >> 30)) + i;
    uint32_t i = 1;
    const auto advance = [&] {
      if (++i < 624) return;
      mt[0] = mt[623];
      i = 1;
    };
    for (int k = 0; k < 624; ++k) {
      mt[i] = (mt[i] ^ ((mt[i - 1] ^ (mt[i - 1] >> 30)) * 1664525u)) + seed;
      advance();
    }
    for (int k = 0; k < 623; ++k) {
      mt[i] = (mt[i] ^ ((mt[i - 1] ^ (mt[i - 1] >> 30)) * 1566083941u)) - i;
      advance();
    }
    mt[0] = 0x80000000u;
    std::stringstream text;
    for (const uint32_t word : mt) text << word << ' ';
    text << 624;
    text >> engine_;
  }

  // A whole number below `bound`, both as 32-bit words from the least significant on.
  std::vector<uint32_t> below(const std::vector<uint32_t>& bound) {
    size_t bits = 32 * bound.size();
    while (!(bound[(bits - 1) / 32] >> ((bits - 1) % 32) & 1)) --bits;
    std::vector<uint32_t> value(bound.size());
    do {
      std::fill(value.begin(), value.end(), 0);
      for (size_t k = 0; k < bits; k += 32) {
        const auto word = static_cast<uint32_t>(engine_());
        value[k / 32] = bits - k >= 32 ? word : word >> (32 - (bits - k));
      }
    } while (
        !std::lexicographical_compare(value.rbegin(), value.rend(), bound.rbegin(), bound.rend()));
    return value;
  }

 private:
  std::mt19937 engine_;
};

constexpr size_t kWords = 7;  // 224 bits: up to 60 decimal digits

// words = words * factor + add
void multiply_add(std::vector<uint32_t>& words, uint32_t factor, uint32_t add) {
  uint64_t carry = add;
  for (uint32_t& word : words) {
    carry += static_cast<uint64_t>(word) * factor;
    word = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
}

std::string decimal(std::vector<uint32_t> words) {
  std::string text;
  while (std::any_of(words.begin(), words.end(), [](uint32_t word) { return word != 0; })) {
    uint64_t rest = 0;
    for (size_t i = words.size(); i-- > 0;) {
      rest = rest << 32 | words[i];
      words[i] = static_cast<uint32_t>(rest / 10);
      rest %= 10;
    }
    text += static_cast<char>('0' + rest);
  }
  std::reverse(text.begin(), text.end());
  return text.empty() ? "0" : text;
}

// random.randint(10^(d-1), 10^d - 1), from 0 for d = 1.
std::string number_of_digits(PythonRandom& random, int d) {
  std::vector<uint32_t> lowest(kWords), count(kWords);
  lowest[0] = d == 1 ? 0 : 1;
  count[0] = d == 1 ? 10 : 9;
  for (int i = 1; i < d; ++i) {
    multiply_add(lowest, 10, 0);
    multiply_add(count, 10, 0);
  }
  std::vector<uint32_t> value = random.below(count);
  uint64_t carry = 0;
  for (size_t i = 0; i < kWords; ++i) {
    carry += static_cast<uint64_t>(value[i]) + lowest[i];
    value[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  return decimal(value);
}

}  // namespace

TEST_CASE("the digit-reversal model of RWKV-LM reverses 18,900 of 18,900", "[files]") {
  const std::string path = shared_data("rwkv/reverse-L2-rwkv7.pth");
  if (path.empty()) {
    WARN("SKIPPED: no ../shared/data/rwkv/reverse-L2-rwkv7.pth");
    return;
  }
  LoadedModel loaded = load_model(path);
  CHECK(loaded.format == "pth");
  PythonRandom random(42);
  int64_t right = 0, scored = 0;
  double margin = HUGE_VAL;
  for (int d = 1; d <= 60; ++d) {
    std::vector<int64_t> ids;
    for (int sample = 0; sample < 10; ++sample) {
      const std::string digits = number_of_digits(random, d);
      REQUIRE(static_cast<int>(digits.size()) == d);
      if (d == 1 && sample == 0) CHECK(digits == "1");
      for (const char digit : digits) ids.push_back(digit - '0');
      ids.push_back(10);
      for (size_t i = digits.size(); i-- > 0;) ids.push_back(digits[i] - '0');
      ids.push_back(11);
    }
    // Ten lanes of d digits, a comma, d digits and the end mark.
    const Tensor all = at::tensor(ids, at::kLong).view({10, 2 * d + 2});
    at::NoGradGuard no_grad;
    State state = loaded.model->initial_state(10);
    const Tensor logits =
        loaded.model->logits(loaded.model->forward(all.narrow(1, 0, 2 * d + 1), state, {}));
    const Tensor predicted = logits.narrow(1, d, d + 1);
    right += predicted.argmax(-1).eq(all.narrow(1, d + 1, d + 1)).sum().item<int64_t>();
    scored += 10 * (d + 1);
    const Tensor top = std::get<0>(predicted.topk(2, -1));
    margin = std::min(margin, (top.select(-1, 0) - top.select(-1, 1)).min().item<double>());
  }
  CHECK(scored == 18900);
  CHECK(right == scored);
  CHECK(margin == Approx(0.694).margin(0.002));
}
