// Shares of tokens: exact cycles, bounds at every prefix, ties, bad weights.
#include "core/data/mixing.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

TEST_CASE("lanes that read long documents count for what they will read") {
  Mixer mixer({1, 1});
  // Nothing served yet; one lane has begun a document of the first source.
  CHECK(mixer.choose({1, 0}, 1000) == 1);
  CHECK(mixer.choose({1, 2}, 1000) == 0);
  // The first lags by 300 tokens: less than half a lane's horizon, so lanes decide.
  mixer.restore({1000, 1300});
  CHECK(mixer.choose({1, 0}, 1000) == 1);
  CHECK(mixer.choose({1, 0}, 200) == 0);
  CHECK(mixer.choose({1, 1}, 1000) == 0);
}

TEST_CASE("lanes with documents of very different lengths keep their shares within the longest") {
  uint64_t seed = 77;
  INFO("seed " << seed);
  RandomStream random(seed, "lanes");
  struct Mix {
    std::vector<double> weights;
    std::vector<int64_t> lengths;
    size_t lanes;
  };
  const Mix mixes[] = {{{5, 1}, {16000, 550}, 16},
                       {{1, 1}, {100000, 900}, 32},
                       {{5, 1, 1}, {700, 150, 1600}, 8},
                       {{1, 1, 5}, {60000, 9000, 700}, 8},
                       {{5, 1}, {16000, 550}, 4}};
  for (const Mix& mix : mixes) {
    Mixer mixer(mix.weights);
    size_t count = mix.weights.size();
    std::vector<int64_t> left(mix.lanes, 0), source(mix.lanes, 0), tokens(count, 0),
        texts(count, 0);
    int64_t total = 0;
    for (int row = 0; row < 3000; ++row) {
      for (size_t b = 0; b < mix.lanes; ++b) {
        if (left[b] == 0) {
          std::vector<int64_t> held(count, 0);
          int64_t horizon = 0;
          for (size_t other = 0; other < mix.lanes; ++other) {
            if (left[other] > 0) ++held[static_cast<size_t>(source[other])];
          }
          for (size_t i = 0; i < count; ++i) {
            if (texts[i] > 0) horizon = std::max(horizon, tokens[i] / texts[i]);
          }
          size_t next = mixer.choose(held, horizon);
          source[b] = static_cast<int64_t>(next);
          left[b] = mix.lengths[next] / 2 +
                    static_cast<int64_t>(random.below(static_cast<uint64_t>(mix.lengths[next])));
          tokens[next] += left[b];
          ++texts[next];
        }
        int64_t served = std::min<int64_t>(128, left[b]);
        left[b] -= served;
        mixer.add(static_cast<size_t>(source[b]), served);
        total += served;
      }
      double longest =
          1.5 * static_cast<double>(*std::max_element(mix.lengths.begin(), mix.lengths.end()));
      for (size_t i = 0; i < count; ++i) {
        double error = static_cast<double>(mixer.served_tokens()[i]) -
                       mixer.share(i) * static_cast<double>(total);
        REQUIRE(std::abs(error) <= longest);
      }
    }
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
  CHECK(mixer.choose({}, 0, {false, true}) == 1);
}

TEST_CASE("weights must be positive and finite") {
  CHECK_THROWS_AS(Mixer({}), Error);
  CHECK_THROWS_AS(Mixer({1, 0}), Error);
  CHECK_THROWS_AS(Mixer({1, -2}), Error);
  CHECK_THROWS_AS(Mixer({1, std::numeric_limits<double>::infinity()}), Error);
  CHECK_THROWS_AS(Mixer({std::numeric_limits<double>::quiet_NaN()}), Error);
}
