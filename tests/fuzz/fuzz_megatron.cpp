// Fuzz target: Megatron-LM's .bin with its .idx as token ids.
#include "core/data/token_source.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/scratch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const fuzz::Scratch scratch;
  const auto files = fuzz::pieces(fuzz::view(data, size), 2);
  const std::string path = scratch.path("m.bin");
  scratch.write("m.idx", files[0]);
  fuzz::accepts(
      [&] { fuzz::read_documents(TokenSource("fuzz", fuzz::memory_files(path, files[1]), {})); });
  return 0;
}
