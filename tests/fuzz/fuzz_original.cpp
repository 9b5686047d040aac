// Fuzz target: checkpoints of the original RMKV program, with the .json beside them.
#include "core/checkpoint/import_original.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const fuzz::Scratch scratch;
  const auto files = fuzz::pieces(fuzz::view(data, size), 2);
  scratch.write("m.json", files[0]);
  const bool zip = files[1].substr(0, 2) == "PK";
  const std::string path = scratch.write(zip ? "m.pt" : "m.safetensors", files[1]);
  fuzz::accepts([&] { import_original(path); });
  return 0;
}
