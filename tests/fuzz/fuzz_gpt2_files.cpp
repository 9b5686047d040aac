// Fuzz target: GPT-2's pair of files, vocab.json and merges.txt.
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/tokenizer_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const fuzz::Scratch scratch;
  const auto files = fuzz::pieces(fuzz::view(data, size), 2);
  const std::string vocab = scratch.write("vocab.json", files[0]);
  const std::string merges = scratch.write("merges.txt", files[1]);
  fuzz::accepts([&] { fuzz::use(*load_gpt2(vocab, merges), files[1], false); });
  return 0;
}
