// Random streams against the published vectors of Philox, and the properties that resume stands on.
#include <cmath>
#include <set>

#include "core/base/random.h"
#include "tests/catch.h"

using namespace rmkv;

TEST_CASE("Philox gives the known answers of Random123") {
  // kat_vectors of Random123 1.14, philox4x32 with 10 rounds.
  CHECK(philox({0, 0, 0, 0}, {0, 0}) ==
        std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream continues from its position and differs by seed, purpose and step") {
  RandomStream whole(7, "order", 3);
  std::vector<uint64_t> words;
  for (int i = 0; i < 20; ++i) words.push_back(whole.next());
  RandomStream later(7, "order", 3, 11);
  CHECK(later.next() == words[11]);
  CHECK(RandomStream(8, "order", 3).next() != words[0]);
  CHECK(RandomStream(7, "other", 3).next() != words[0]);
  CHECK(RandomStream(7, "order", 4).next() != words[0]);
}

TEST_CASE("uniform, bounded and normal numbers have their moments") {
  RandomStream random(1, "moments");
  double sum = 0, squares = 0, uniform = 0;
  int counts[7] = {};
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) {
    double x = random.normal();
    sum += x;
    squares += x * x;
    uniform += random.uniform();
    ++counts[random.below(7)];
  }
  CHECK(std::fabs(sum / kDraws) < 0.015);  // 4 standard errors
  CHECK(std::fabs(squares / kDraws - 1) < 0.022);
  CHECK(std::fabs(uniform / kDraws - 0.5) < 0.0044);
  for (int count : counts) CHECK(std::fabs(count - kDraws / 7.0) < 4 * std::sqrt(kDraws / 7.0));
}

TEST_CASE("a permuted index visits everything once, and epochs differ") {
  for (uint64_t size : {1, 2, 3, 5, 16, 17, 1000}) {
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < size; ++i) {
      uint64_t place = permuted_index(i, size, 5, "shuffle", 0);
      CHECK(place < size);
      seen.insert(place);
    }
    CHECK(seen.size() == size);
  }
  int equal = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    equal += permuted_index(i, 1000, 5, "shuffle", 0) == permuted_index(i, 1000, 5, "shuffle", 1);
  }
  CHECK(equal < 20);  // one in a thousand agrees by chance
}
