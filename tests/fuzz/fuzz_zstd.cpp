// Fuzz target: zstd files, frames found or made, and read from any place.
#include "core/data/zstd_file.h"
#include "tests/fuzz/compressed_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::fuzz::try_compressed<rmkv::ZstdFile>("f.zst", rmkv::fuzz::view(data, size));
  return 0;
}
