// States are values: copies keep their content, lanes can be cut out, joined and written back.
#include "core/models/state.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

State small_state(float offset = 0) {
  State state;
  state.set("memory", at::arange(12, at::kFloat).view({3, 2, 2}) + offset);
  state.set("tokens", at::arange(3));
  state.set_counter("open", 5);
  return state;
}

}  // namespace

TEST_CASE("a copy keeps its content when the original is written") {
  State state = small_state();
  State copy = state;
  CHECK(copy.get("memory").is_alias_of(state.get("memory")));
  state.writable("memory").zero_();
  CHECK(state.get("memory").abs().sum().item<float>() == 0);
  CHECK(copy.equals(small_state()));
  // Nobody shares it now: the second write is in place.
  void* place = state.get("memory").data_ptr();
  state.writable("memory").add_(1);
  CHECK(state.get("memory").data_ptr() == place);
}

TEST_CASE("a view into a larger tensor is cloned before it is written") {
  Tensor whole = at::zeros({4, 2});
  State state;
  state.set("x", whole.narrow(0, 1, 2));
  state.writable("x").fill_(1);
  CHECK(whole.sum().item<float>() == 0);
}

TEST_CASE("equality means bits, names and counters") {
  State state = small_state();
  CHECK(state.equals(small_state()));
  State other = small_state();
  other.set_counter("open", 6);
  CHECK_FALSE(state.equals(other));
  other = small_state();
  other.set("memory", -at::zeros({3, 2, 2}));
  State zero = small_state();
  zero.set("memory", at::zeros({3, 2, 2}));
  CHECK_FALSE(zero.equals(other));
  Tensor nan = at::full({3}, std::numeric_limits<float>::quiet_NaN());
  zero.set("memory", nan);
  other.set("memory", nan.clone());
  CHECK(zero.equals(other));
  other.set("memory", nan.to(at::kDouble));
  CHECK_FALSE(zero.equals(other));
  other.erase("memory");
  CHECK_FALSE(zero.equals(other));
}

TEST_CASE("lanes cut out and joined give the state back") {
  State state = small_state();
  State joined = State::join({state.lanes(0, 1), state.lanes(1, 2)});
  CHECK(joined.equals(state));
  CHECK(state.lanes(2, 1).get("memory").equal(state.get("memory").narrow(0, 2, 1)));
  CHECK(state.lanes(1, 1).counter("open") == 5);
  CHECK_THROWS_WITH(state.lanes(2, 2), Contains("lanes of a batch of 3"));
  State later = small_state();
  later.set_counter("open", 6);
  CHECK_THROWS_AS(State::join({state, later}), Error);
}

TEST_CASE("assigned lanes change, the others and copies do not") {
  State state = small_state(), source = small_state(100).lanes(0, 2);
  State copy = state;
  state.assign_lanes({2, 0}, source);
  CHECK(state.get("memory").select(0, 2).equal(source.get("memory").select(0, 0)));
  CHECK(state.get("memory").select(0, 0).equal(source.get("memory").select(0, 1)));
  CHECK(state.get("memory").select(0, 1).equal(copy.get("memory").select(0, 1)));
  CHECK(copy.equals(small_state()));
  CHECK_THROWS_WITH(state.assign_lanes({3, 0}, source), Contains("lane 3"));
  CHECK_THROWS_AS(state.assign_lanes({0}, source), Error);
}

TEST_CASE("detach cuts the graph of every tensor") {
  Tensor start = at::ones({2, 2}).requires_grad_(true);
  State state;
  state.set("x", start * 2);
  State kept = state;
  state.detach();
  CHECK_FALSE(state.get("x").requires_grad());
  CHECK(kept.get("x").requires_grad());
}

TEST_CASE("sizes, batch and unknown names") {
  State state = small_state();
  CHECK(state.batch() == 3);
  CHECK(state.size_bytes() == 12 * 4 + 3 * 8);
  CHECK(state.counter("none") == 0);
  CHECK_THROWS_WITH(state.get("memroy"), Contains("did you mean 'memory'?"));
}
