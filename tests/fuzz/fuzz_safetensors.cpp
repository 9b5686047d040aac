// libFuzzer target: safetensors headers of strangers give an Error or tensors, nothing else.
#include <cstdint>
#include <string_view>

#include "core/base/error.h"
#include "core/tensor/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    rmkv::parse_safetensors({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const rmkv::Error&) {
    // Refused, as most inputs are.
  }
  return 0;
}
