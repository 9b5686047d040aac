// Fuzz target: GGUF files of strangers give an Error or the weights of a model, nothing else.
#include "tests/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::fuzz::try_model_file(data, size, [](std::string_view bytes) {
    return rmkv::parse_gguf_weights(bytes, nullptr, "fuzz");
  });
  return 0;
}
