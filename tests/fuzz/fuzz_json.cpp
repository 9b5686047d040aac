// Fuzz target: JSON texts (manifests, cursors, config.json, journals) give an Error or a value that
// survives a round trip.
#include "core/base/json.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::fuzz::accepts([&] {
    const rmkv::Value value = rmkv::parse_json(rmkv::fuzz::view(data, size), "fuzz");
    if (!(rmkv::parse_json(rmkv::write_json(value), "fuzz") == value)) __builtin_trap();
  });
  return 0;
}
