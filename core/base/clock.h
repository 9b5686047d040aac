// Time for progress lines and logs; never an input of a computation.
#pragma once

#include <string>

namespace rmkv {

double monotonic_seconds();   // since an arbitrary point
double unix_seconds();        // since 1970, UTC
std::string utc_timestamp();  // "2026-01-31T12:34:56Z"

}  // namespace rmkv
