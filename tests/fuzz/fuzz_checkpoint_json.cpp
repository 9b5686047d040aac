// libFuzzer target: JSON texts of manifests and cursors give an Error or a value that survives a
// round trip.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/error.h"
#include "core/base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const rmkv::Value value = rmkv::parse_json(text, "fuzz");
    if (!(rmkv::parse_json(rmkv::write_json(value), "fuzz") == value)) std::abort();
  } catch (const rmkv::Error&) {
    // Refused, as most inputs are.
  }
  return 0;
}
