// Where the real data lies that some tests read: $RMKV_DATA, or shared/data beside the project.
//
// Tests must not depend on it: one that finds nothing says so and returns (WARN("SKIPPED: ...")).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace rmkv {

// The path of a data file, or "" when it is not there.
inline std::string shared_data(const std::string& relative) {
  const char* const configured = std::getenv("RMKV_DATA");
  const std::filesystem::path root = std::filesystem::path(__FILE__).parent_path().parent_path();
  const std::filesystem::path folder =
      configured != nullptr ? std::filesystem::path(configured) : root / ".." / "shared" / "data";
  std::error_code ignored;
  const std::filesystem::path path = folder / relative;
  return std::filesystem::exists(path, ignored) ? path.string() : std::string();
}

}  // namespace rmkv
