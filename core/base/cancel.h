// The cancellation flag: set by a signal handler, polled by loops in core/.
//
// A long call polls `check_cancelled` at points where everything it has done so far is valid.
#pragma once

#include <string_view>

namespace rmkv {

// Async-signal-safe.
void request_cancel();
bool cancel_requested();
void clear_cancel();
// Throws Interrupted("where: interrupted") when the flag is set, and clears it.
void check_cancelled(std::string_view where);

}  // namespace rmkv
