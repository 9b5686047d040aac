// Fuzz target: damaged index files of compressed files in the cache.
//
// The compressed file is whole; what its index says of it is the input.
#include <zlib.h>

#include "core/data/gzip_file.h"
#include "core/data/zstd_file.h"
#include "tests/compressed_bytes.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"

namespace {

using namespace rmkv;

template <typename File>
void try_index(const fuzz::Scratch& scratch, const std::string& path, const std::string& kind,
               std::string_view index) {
  std::filesystem::create_directories(scratch.path("cache/" + kind));
  const std::string name = "cache/" + kind + "/" + cache_name(path) + ".index";
  scratch.write(name, index);
  scratch.write(name + ".windows", std::string(32768, 'w'));
  fuzz::accepts([&] {
    const File file(path, scratch.path("cache"));
    file.read(0, std::min<uint64_t>(file.size_bytes(), 1 << 16));
    if (file.size_bytes() > 0) file.read(file.size_bytes() - 1, 1);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Scratch scratch;
  static const std::string text(100'000, 'x');
  static const std::string gzip = scratch.write("a.gz", test::gzip_bytes(text));
  static const std::string zstd = scratch.write("a.zst", test::zstd_bytes(text));
  try_index<GzipFile>(scratch, gzip, "gzip", fuzz::view(data, size));
  try_index<ZstdFile>(scratch, zstd, "zstd", fuzz::view(data, size));
  return 0;
}
