// The cancellation flag and the clock.
#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "tests/catch.h"

using namespace rmkv;

TEST_CASE("a request ends one call and is gone after it") {
  clear_cancel();
  CHECK_NOTHROW(check_cancelled("loop"));
  request_cancel();
  CHECK(cancel_requested());
  CHECK_THROWS_AS(check_cancelled("loop"), Interrupted);
  CHECK_NOTHROW(check_cancelled("loop"));
  request_cancel();
  clear_cancel();
  CHECK_FALSE(cancel_requested());
}

TEST_CASE("time runs forward and its stamp is UTC") {
  double before = monotonic_seconds();
  CHECK(monotonic_seconds() >= before);
  std::string stamp = utc_timestamp();
  CHECK(stamp.size() == 20);
  CHECK((stamp[4] == '-' && stamp[10] == 'T' && stamp.back() == 'Z'));
  CHECK(unix_seconds() > 1.6e9);
}
