// The chain as a whole: options, determinism, distributions, no allocation.
#include <cmath>
#include <random>
#include <set>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/sample/sampler.h"
#include "tests/catch.h"
#include "tests/sample/count_allocations.h"
#include "tests/sample/naive_sampler.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

std::vector<float> some_logits(size_t count, unsigned seed, double spread = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, spread);
  std::vector<float> logits(count);
  for (float& x : logits) x = static_cast<float>(normal(random));
  return logits;
}

}  // namespace

TEST_CASE("sampler options are a closed set and survive a round trip", "[sampler]") {
  SamplerOptions options = read_sampler_options(Table{{"temperature", 0.8},
                                                      {"top_p", 0.9},
                                                      {"seed", 7},
                                                      {"banned", List{3, 4}},
                                                      {"bias", List{List{5, 1.5}}},
                                                      {"order", List{"top_p", "temperature"}}});
  CHECK(options.temperature == 0.8);
  CHECK(options.bias.at(5) == 1.5);
  CHECK(read_sampler_options(sampler_table(options)) == options);
  CHECK(read_sampler_options(sampler_table({})) == SamplerOptions{});
  CHECK_THROWS_WITH(read_sampler_options(Table{{"temprature", 1.0}}), Contains("temperature"));
  CHECK_THROWS_WITH(read_sampler_options(Table{{"top_p", 1.5}}), Contains("top_p"));
  CHECK_THROWS_WITH(read_sampler_options(Table{{"order", List{"topk"}}}), Contains("top_k"));
  CHECK_THROWS_WITH(read_sampler_options(Table{{"order", List{"top_k", "top_k"}}}),
                    Contains("twice"));
  CHECK_THROWS_WITH(Sampler(SamplerOptions{.banned = {9}}, 9), Contains("banned"));
  CHECK_THROWS_WITH(Sampler({}, 5).sample(std::vector<float>(4)), Contains("4 logits"));
}

TEST_CASE("the neutral chain draws from the model's own distribution", "[sampler]") {
  const std::vector<float> logits = some_logits(12, 1);
  const auto expected = naive::probabilities(naive::field_of(logits));
  constexpr int kDraws = 60000;
  std::map<int32_t, int> counts;
  Sampler sampler({.seed = 42}, 12);
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(logits)];
  double chi_squared = 0;
  for (const auto& [id, p] : expected) {
    chi_squared += std::pow(counts[id] - kDraws * p, 2) / (kDraws * p);
  }
  CHECK(chi_squared < 31.3);  // 11 degrees of freedom, 0.1 %
}

TEST_CASE("the chain equals its stages one after the other", "[sampler]") {
  const std::vector<float> logits = some_logits(300, 5);
  SamplerOptions options;
  options.temperature = 1.5;
  options.top_k = 100;
  options.typical_p = 0.9;
  options.top_p = 0.8;
  options.min_p = 0.05;
  naive::Field field = naive::field_of(logits);
  field = naive::min_p(naive::top_p(naive::typical(naive::top_k(field, 100), 0.9), 0.8), 0.05);
  for (auto& entry : field) entry.second /= 1.5;
  const auto expected = naive::probabilities(field);
  constexpr int kDraws = 40000;
  std::map<int32_t, int> counts;
  Sampler sampler(options, 300);
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(logits)];
  for (const auto& [id, count] : counts) REQUIRE(expected.count(id) == 1);
  double chi_squared = 0;
  for (const auto& [id, p] : expected) {
    chi_squared += std::pow(counts[id] - kDraws * p, 2) / (kDraws * p);
  }
  // 0.1 % quantile by the Wilson-Hilferty approximation.
  const double n = static_cast<double>(expected.size() - 1);
  const double limit = n * std::pow(1 - 2 / (9 * n) + 3.09 * std::sqrt(2 / (9 * n)), 3);
  CHECK(chi_squared < limit);
}

TEST_CASE("stages run in the order that the options say", "[sampler]") {
  // A high temperature before top-p flattens the distribution, so that top-p keeps more.
  const std::vector<float> logits = some_logits(50, 9);
  auto reached = [&](std::vector<std::string> order) {
    Sampler sampler({.temperature = 5, .top_p = 0.5, .order = std::move(order)}, 50);
    std::set<int32_t> ids;
    for (int i = 0; i < 3000; ++i) ids.insert(sampler.sample(logits));
    return ids.size();
  };
  CHECK(reached({"top_p", "temperature"}) < reached({"temperature", "top_p"}));
}

TEST_CASE("the same seed gives the same tokens, whatever happened before", "[sampler]") {
  const std::vector<float> logits = some_logits(100, 2);
  auto run = [&](int64_t seed) {
    Sampler sampler({.seed = seed}, 100);
    std::vector<int32_t> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sampler.sample(logits));
    return ids;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));

  Sampler first({.seed = 1}, 100);
  for (int i = 0; i < 20; ++i) first.accept(first.sample(logits));
  Sampler second({.seed = 1}, 100);
  second.restore(first.progress());
  for (int i = 0; i < 20; ++i) CHECK(first.sample(logits) == second.sample(logits));
}

TEST_CASE("temperature zero is greedy, after bans, bias and penalties", "[sampler]") {
  const std::vector<float> logits = {1, 4, 3, 4};
  CHECK(Sampler({.temperature = 0}, 4).sample(logits) == 1);
  CHECK(Sampler({.temperature = 0, .banned = {1}}, 4).sample(logits) == 3);
  CHECK(Sampler({.temperature = 0, .banned = {1}}, 4).sample(logits, std::vector<int64_t>{3}) == 2);
  CHECK(Sampler({.temperature = 0, .allowed = {0, 2}}, 4).sample(logits) == 2);
  CHECK(Sampler({.temperature = 0, .bias = {{0, 10}}}, 4).sample(logits) == 0);
  Sampler penalised({.temperature = 0, .presence_penalty = 2}, 4);
  penalised.accept(1);
  CHECK(penalised.sample(logits) == 3);
  CHECK_THROWS_WITH(Sampler({.banned = {0, 1, 2, 3}}, 4).sample(logits), Contains("no token"));
}

TEST_CASE("penalties look back exactly as far as their window", "[sampler]") {
  const std::vector<float> logits = {4, 3, 2, 1};
  Sampler sampler({.temperature = 0, .presence_penalty = 100, .penalty_window = 2, .dry_window = 0},
                  4);
  sampler.accept(0);
  sampler.accept(1);
  CHECK(sampler.sample(logits) == 2);
  sampler.accept(2);  // 0 leaves the window
  CHECK(sampler.sample(logits) == 0);
  for (int i = 0; i < 1000; ++i) sampler.accept(3);
  CHECK(sampler.progress().recent == std::vector<int32_t>{3, 3});
}

TEST_CASE("xtc throws its own dice", "[sampler]") {
  const std::vector<float> logits = {2, 1.9f, -5};
  Sampler always({.xtc_probability = 1, .xtc_threshold = 0.2}, 3);
  Sampler sometimes({.xtc_probability = 0.5, .xtc_threshold = 0.2}, 3);
  int best = 0;
  for (int i = 0; i < 2000; ++i) {
    CHECK(always.sample(logits) != 0);
    best += sometimes.sample(logits) == 0;
  }
  CHECK(best > 400);  // half of the about 1,050 it would get
  CHECK(best < 650);
}

TEST_CASE("most_likely ranks the model's own distribution", "[sampler]") {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  const std::vector<TokenChance> chances = most_likely(logits, 2);
  REQUIRE(chances.size() == 2);
  CHECK(chances[0].id == 2);
  CHECK(chances[0].probability == Approx(5.0 / 8));
  CHECK(chances[1].id == 1);
  CHECK(most_likely(logits, 10).size() == 3);
  CHECK(most_likely(logits, 0).empty());
}

TEST_CASE("sampling allocates nothing once it is warm", "[sampler]") {
  const std::vector<float> logits = some_logits(5000, 3);
  SamplerOptions options;
  options.temperature = 0.9;
  options.top_k = 1000;
  options.typical_p = 0.99;
  options.top_p = 0.98;
  options.min_p = 0.001;
  options.top_n_sigma = 4;
  options.repetition_penalty = 1.1;
  options.dry_multiplier = 0.8;
  options.xtc_probability = 0.5;
  Sampler sampler(options, 5000);
  for (int i = 0; i < 4000; ++i) sampler.accept(sampler.sample(logits));
  const int64_t before = allocation_count();
  for (int i = 0; i < 200; ++i) sampler.accept(sampler.sample(logits));
  CHECK(allocation_count() == before);
}
