// Catch2 from whichever major version the system has (2 on Debian 12, 3 on newer), with the names
// of version 2.
//
// A test that cannot run here writes `WARN("SKIPPED: reason"); return;`, which scripts/test counts.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

#include <string>

using Catch::Approx;

namespace Catch::Matchers {
// In version 3 `Contains` matches ranges; for text it is preferred here, being no template.
inline auto Contains(const char* text) {
  return ContainsSubstring(text);
}
inline auto Contains(std::string text) {
  return ContainsSubstring(text);
}
}  // namespace Catch::Matchers
namespace Catch {
using namespace Matchers;
}
#else
#include <catch2/catch.hpp>
#endif
