// Sampler stages against their naive definitions, and the facts each must keep.
#include <random>

#include "core/base/error.h"
#include "core/sample/stages.h"
#include "tests/catch.h"
#include "tests/sample/naive_sampler.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

constexpr unsigned kSeed = 20261120;

std::vector<float> random_logits(std::mt19937& random, size_t count, double spread) {
  std::normal_distribution<double> normal(0, spread);
  std::vector<float> logits(count);
  for (float& x : logits) x = static_cast<float>(normal(random));
  return logits;
}

Candidates candidates_of(const std::vector<float>& logits) {
  Candidates candidates;
  candidates.assign(logits);
  return candidates;
}

std::vector<int32_t> ids_of(const Candidates& candidates) {
  std::vector<int32_t> ids;
  for (const Candidate& item : candidates.items()) ids.push_back(item.id);
  return ids;
}

std::vector<int32_t> ids_of(const naive::Field& field) {
  std::vector<int32_t> ids;
  for (const auto& entry : field) ids.push_back(entry.first);
  return ids;
}

void check_logits(const Candidates& candidates, const naive::Field& field) {
  REQUIRE(ids_of(candidates) == ids_of(field));
  for (const Candidate& item : candidates.items()) {
    CHECK(item.logit == Approx(field.at(item.id)).epsilon(1e-5).margin(1e-5));
  }
}

}  // namespace

TEST_CASE("candidates leave out -inf and refuse what is no logit", "[stages]") {
  Candidates candidates = candidates_of({1, -INFINITY, 3});
  CHECK(ids_of(candidates) == std::vector<int32_t>{0, 2});
  CHECK(candidates.find(1) == nullptr);
  CHECK(candidates.find(2)->logit == 3);
  CHECK_THROWS_WITH(candidates_of({1, NAN}), Contains("not a number") && Contains("token 1"));
  CHECK_THROWS_WITH(candidates_of({INFINITY}), Contains("infinite"));
  CHECK_THROWS_WITH(candidates_of({-INFINITY}), Contains("no token"));
}

TEST_CASE("truncating stages keep what their definitions keep", "[stages]") {
  std::mt19937 random(kSeed);
  INFO("seed " << kSeed);
  for (int round = 0; round < 200; ++round) {
    const size_t count = 1 + random() % 700;
    const double spread = std::exp(std::uniform_real_distribution<double>(-2, 2)(random));
    const std::vector<float> logits = random_logits(random, count, spread);
    const naive::Field field = naive::field_of(logits);
    const double p = std::uniform_real_distribution<double>(0, 1)(random);
    const int64_t k = 1 + static_cast<int64_t>(random() % (count + 3));
    auto after = [&](auto stage) {
      Candidates candidates = candidates_of(logits);
      stage(candidates);
      return ids_of(candidates);
    };
    CAPTURE(round, count, spread, p, k);
    CHECK(after([&](auto& c) { apply_top_k(c, k); }) ==
          ids_of(naive::top_k(field, static_cast<size_t>(k))));
    CHECK(after([&](auto& c) { apply_top_p(c, p); }) == ids_of(naive::top_p(field, p)));
    CHECK(after([&](auto& c) { apply_min_p(c, p); }) == ids_of(naive::min_p(field, p)));
    CHECK(after([&](auto& c) { apply_typical(c, p); }) == ids_of(naive::typical(field, p)));
    CHECK(after([&](auto& c) { apply_top_n_sigma(c, 3 * p); }) ==
          ids_of(naive::top_n_sigma(field, 3 * p)));
    CHECK(after([&](auto& c) { apply_xtc(c, p / 2); }) == ids_of(naive::xtc(field, p / 2)));
  }
}

TEST_CASE("equal logits are taken in order of ids", "[stages]") {
  const std::vector<float> logits = {0, 2, 2, 1, 2};
  Candidates candidates = candidates_of(logits);
  apply_top_k(candidates, 2);
  CHECK(ids_of(candidates) == std::vector<int32_t>{1, 2});
  candidates = candidates_of({1, 1, 1, 1});
  apply_top_p(candidates, 0.6);
  CHECK(ids_of(candidates) == std::vector<int32_t>{0, 1, 2});
  CHECK(candidates_of({1, 1}).best().id == 0);
}

TEST_CASE("truncation always leaves a token", "[stages]") {
  for (double p : {0.0, 1e-12}) {
    Candidates candidates = candidates_of({0, 5, 1});
    apply_top_p(candidates, p);
    CHECK(ids_of(candidates) == std::vector<int32_t>{1});
    candidates = candidates_of({0, 5, 1});
    apply_typical(candidates, p);
    CHECK(candidates.items().size() == 1);
    candidates = candidates_of({0, 5, 1});
    apply_top_n_sigma(candidates, p);
    CHECK(ids_of(candidates) == std::vector<int32_t>{1});
  }
  Candidates candidates = candidates_of({0, 5, 1});
  apply_min_p(candidates, 1);
  CHECK(ids_of(candidates) == std::vector<int32_t>{1});
}

TEST_CASE("top-p of a hand-made distribution", "[stages]") {
  // Probabilities 0.5, 0.25, 0.15, 0.1.
  std::vector<float> logits;
  for (double p : {0.5, 0.25, 0.15, 0.1}) logits.push_back(static_cast<float>(std::log(p)));
  auto kept = [&](double p) {
    Candidates candidates = candidates_of(logits);
    apply_top_p(candidates, p);
    return candidates.items().size();
  };
  CHECK(kept(0.49) == 1);
  CHECK(kept(0.51) == 2);
  CHECK(kept(0.74) == 2);
  CHECK(kept(0.76) == 3);
  CHECK(kept(0.95) == 4);
}

TEST_CASE("penalties and temperature follow their formulas", "[stages]") {
  std::mt19937 random(kSeed);
  INFO("seed " << kSeed);
  std::vector<int32_t> scratch;
  for (int round = 0; round < 50; ++round) {
    const std::vector<float> logits = random_logits(random, 40, 3);
    std::vector<int32_t> seen(random() % 60);
    for (int32_t& id : seen) id = static_cast<int32_t>(random() % 45);  // some outside the field
    Candidates candidates = candidates_of(logits);
    apply_penalties(candidates, {1.3, 0.4, 0.2}, seen, scratch);
    naive::Field field = naive::penalised(naive::field_of(logits), 1.3, 0.4, 0.2, seen);
    check_logits(candidates, field);
    apply_temperature(candidates, 0.7);
    const auto expected = naive::probabilities([&] {
      naive::Field cooled = field;
      for (auto& entry : cooled) entry.second /= 0.7;
      return cooled;
    }());
    const Candidates::Weights weights = candidates.weights();
    for (size_t i = 0; i < candidates.items().size(); ++i) {
      CHECK(weights.each[i] / weights.sum ==
            Approx(expected.at(candidates.items()[i].id)).epsilon(1e-5).margin(1e-12));
    }
  }
}

TEST_CASE("a tiny temperature does not overflow", "[stages]") {
  Candidates candidates = candidates_of({-3000, 2999, 3000});
  apply_temperature(candidates, 1e-6);
  CHECK(draw(candidates, 0.999999) == 2);
}

TEST_CASE("dry finds the longest repeat of each token", "[stages]") {
  std::mt19937 random(kSeed);
  INFO("seed " << kSeed);
  std::vector<int64_t> scratch;
  for (int round = 0; round < 300; ++round) {
    const int symbols = 1 + static_cast<int>(random() % 4);
    std::vector<int32_t> text(random() % 40);
    for (int32_t& id : text) id = static_cast<int32_t>(random()) % symbols & 3;
    const std::vector<float> logits = random_logits(random, 6, 1);
    const int64_t allowed = 1 + static_cast<int64_t>(random() % 3);
    Candidates candidates = candidates_of(logits);
    apply_dry(candidates, {0.8, 1.1, allowed}, text, scratch);
    CAPTURE(round, text, allowed);
    check_logits(candidates, naive::dry(naive::field_of(logits), 0.8, 1.1, allowed, text));
  }
}

TEST_CASE("dry penalties of very long repeats stay finite", "[stages]") {
  std::vector<int32_t> text(5000, 1);
  std::vector<int64_t> scratch;
  Candidates candidates = candidates_of({0, 0});
  apply_dry(candidates, {1, 8, 1}, text, scratch);
  CHECK(std::isfinite(candidates.find(1)->logit));
  CHECK(draw(candidates, 0.9999) == 0);
}

TEST_CASE("a draw inverts the distribution function in order of ids", "[stages]") {
  // Probabilities 1/6, 2/6, 3/6.
  const std::vector<float> logits = {0, std::log(2.0f), std::log(3.0f)};
  Candidates candidates = candidates_of(logits);
  CHECK(draw(candidates, 0) == 0);
  CHECK(draw(candidates, 0.166) == 0);
  CHECK(draw(candidates, 0.168) == 1);
  CHECK(draw(candidates, 0.499) == 1);
  CHECK(draw(candidates, 0.501) == 2);
  CHECK(draw(candidates, 1 - 1e-16) == 2);
  // A token without any weight is never drawn, not even at the end.
  candidates = candidates_of({5, -2000});
  CHECK(draw(candidates, 1 - 1e-16) == 0);
}
