// Fuzz target: NumPy arrays and llm.c's .bin files as token ids.
#include "core/data/token_source.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  for (const char* name : {"fuzz.npy", "fuzz.bin"}) {
    fuzz::accepts([&] {
      fuzz::read_documents(TokenSource("fuzz", fuzz::memory_files(name, fuzz::view(data, size)),
                                       {.piece_tokens = 8}));
    });
  }
  return 0;
}
