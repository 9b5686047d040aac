// Fuzz target: folders as Hugging Face's tools write them: an index, two shards and config.json.
#include "core/checkpoint/weight_file.h"
#include "tests/fuzz/model_file.h"
#include "tests/fuzz/scratch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const fuzz::Scratch scratch;
  const auto files = fuzz::pieces(fuzz::view(data, size), 4);
  scratch.write("config.json", files[0]);
  scratch.write("model.safetensors.index.json", files[1]);
  scratch.write("a.safetensors", files[2]);
  scratch.write("b.safetensors", files[3]);
  fuzz::accepts([&] {
    StoredWeights stored = read_stored_weights(scratch.path());
    fuzz::touch_weights(stored.weights);
    fuzz::touch_weights(import_rwkv(std::move(stored), "fuzz").weights);
  });
  return 0;
}
