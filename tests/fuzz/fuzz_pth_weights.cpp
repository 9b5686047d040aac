// libFuzzer target: .pth files of strangers give an Error or the weights of a model, nothing else.
//
// Run with -malloc_limit_mb=64: nothing large may be allocated before a file is refused.
#include "tests/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::try_model_file(data, size, [](std::string_view bytes) {
    return rmkv::parse_pth_weights(bytes, nullptr, "fuzz", /*check_crc=*/false);
  });
  return 0;
}
