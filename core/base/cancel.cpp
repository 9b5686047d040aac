// The flag behind Ctrl-C.
#include "core/base/cancel.h"

#include <atomic>

#include "core/base/error.h"

namespace rmkv {

namespace {
std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes the flag");
}  // namespace

void request_cancel() {
  flag.store(true, std::memory_order_relaxed);
}
bool cancel_requested() {
  return flag.load(std::memory_order_relaxed);
}
void clear_cancel() {
  flag.store(false, std::memory_order_relaxed);
}

void check_cancelled(std::string_view where) {
  // exchange, so that of two threads only one reports the interruption.
  if (cancel_requested() && flag.exchange(false)) {
    throw Interrupted(std::string(where) + ": interrupted");
  }
}

}  // namespace rmkv
