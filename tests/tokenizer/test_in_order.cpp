// Parts made by several threads and taken in order.
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tokenizer/in_order.h"

using namespace rmkv;

TEST_CASE("parts are taken once each and in order, whatever the number of threads") {
  for (const int threads : {1, 2, 7}) {
    std::vector<int> made(200, 0);
    std::vector<size_t> taken;
    const auto make = [&](size_t i, size_t thread) {
      if (i % 5 == 0) std::this_thread::yield();
      if (thread < static_cast<size_t>(threads)) ++made[i];
    };
    const auto take = [&](size_t i) {
      CHECK(made[i] == 1);
      taken.push_back(i);
    };
    run_in_order(made.size(), threads, make, take);
    REQUIRE(taken.size() == made.size());
    for (size_t i = 0; i < taken.size(); ++i) REQUIRE(taken[i] == i);
  }
  run_in_order(
      0, 3, [](size_t, size_t) { FAIL("no part"); }, [](size_t) { FAIL("no part"); });
}

TEST_CASE("the failure of the first part that fails is thrown; nothing behind it is taken") {
  for (const int threads : {1, 3}) {
    size_t taken = 0;
    const auto make = [&](size_t i, size_t) {
      if (i == 30 || i == 31) throw std::runtime_error("part " + std::to_string(i));
    };
    CHECK_THROWS_WITH(run_in_order(100, threads, make, [&](size_t) { ++taken; }), "part 30");
    CHECK(taken <= 30);
    const auto refuse = [](size_t i) {
      if (i == 7) throw std::runtime_error("taking " + std::to_string(i));
    };
    CHECK_THROWS_WITH(run_in_order(
                          100, threads, [](size_t, size_t) {}, refuse),
                      "taking 7");
  }
}
