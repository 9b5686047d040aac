// Shares of tokens: exact cycles, bounds at every prefix, ties, bad weights.
#include "core/data/mixing.h"

#include "core/base/error.h"
#include "core/base/random.h"
#include "tests/catch.h"

using namespace rmkv;

TEST_CASE("equal documents at 5:1:1 go in a fixed cycle of seven") {
  Mixer mixer({5, 1, 1});
  std::vector<size_t> order;
  for (int i = 0; i < 70; ++i) {
    size_t source = mixer.choose();
    order.push_back(source);
    mixer.add(source, 100);
  }
  for (size_t i = 7; i < order.size(); ++i) CHECK(order[i] == order[i - 7]);
  CHECK(mixer.served_tokens() == std::vector<int64_t>{5000, 1000, 1000});
  CHECK(mixer.share(0) == Approx(5.0 / 7.0));
}

TEST_CASE("every source stays within its documents' lengths of its share at every prefix") {
  uint64_t seed = 20261120;
  INFO("seed " << seed);
  RandomStream random(seed, "mixing");
  for (int round = 0; round < 50; ++round) {
    size_t count = 1 + random.below(6);
    std::vector<double> weights;
    double sum = 0;
    for (size_t i = 0; i < count; ++i) {
      weights.push_back(round % 2 == 0 ? 1.0 + static_cast<double>(random.below(9))
                                       : 0.01 + random.uniform());
      sum += weights.back();
    }
    Mixer mixer(weights);
    int64_t longest = 1 + static_cast<int64_t>(random.below(5000)), total = 0;
    for (int step = 0; step < 2000; ++step) {
      size_t source = mixer.choose();
      int64_t tokens = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(longest)));
      mixer.add(source, tokens);
      total += tokens;
      for (size_t i = 0; i < count; ++i) {
        double aim = mixer.share(i) * static_cast<double>(total);
        double error = static_cast<double>(mixer.served_tokens()[i]) - aim;
        REQUIRE(error <= static_cast<double>(longest));
        REQUIRE(error >= -static_cast<double>(longest) * static_cast<double>(count - 1));
      }
    }
    for (size_t i = 0; i < count; ++i)
      CHECK(mixer.share(i) == Approx(weights[i] / sum).margin(2e-6));
  }
}

TEST_CASE("sums far beyond 64 bits of products stay exact") {
  Mixer mixer({999983, 1});
  mixer.restore({int64_t{999983} << 42, int64_t{1} << 42});
  CHECK(mixer.choose() == 0);  // exactly on their shares: the larger weight
  mixer.add(0, 1);
  CHECK(mixer.choose() == 1);
}

TEST_CASE("sources that are not usable are passed over") {
  Mixer mixer({5, 1});
  CHECK(mixer.choose({false, true}) == 1);
}

TEST_CASE("weights must be positive and finite") {
  CHECK_THROWS_AS(Mixer({}), Error);
  CHECK_THROWS_AS(Mixer({1, 0}), Error);
  CHECK_THROWS_AS(Mixer({1, -2}), Error);
  CHECK_THROWS_AS(Mixer({1, std::numeric_limits<double>::infinity()}), Error);
  CHECK_THROWS_AS(Mixer({std::numeric_limits<double>::quiet_NaN()}), Error);
}
