// Fuzz target: safetensors of strangers give an Error, or tensors and the weights of a model,
// nothing else.
#include "core/tensor/safetensors.h"
#include "tests/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::fuzz::accepts([&] { rmkv::parse_safetensors(rmkv::fuzz::view(data, size), "fuzz"); });
  rmkv::fuzz::try_model_file(data, size, [](std::string_view bytes) {
    return rmkv::parse_safetensors_weights(bytes, nullptr, "fuzz");
  });
  return 0;
}
