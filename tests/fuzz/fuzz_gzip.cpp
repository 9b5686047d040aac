// Fuzz target: gzip files, indexed and read from any place.
#include "core/data/gzip_file.h"
#include "tests/fuzz/compressed_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::fuzz::try_compressed<rmkv::GzipFile>("f.gz", rmkv::fuzz::view(data, size));
  return 0;
}
