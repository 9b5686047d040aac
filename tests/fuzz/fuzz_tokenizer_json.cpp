// Fuzz target: any bytes as a tokenizer.json give an Error or a tokenizer that encodes and decodes.
#include "tests/fuzz/tokenizer_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  const std::string_view text = fuzz::view(data, size);
  fuzz::accepts([&] { fuzz::use(*parse_tokenizer_json(text, "FUZZ"), text, false); });
  return 0;
}
