// Fuzz target: any bytes as an RWKV World vocabulary give an Error or a tokenizer whose ids stand
// for the text.
#include "tests/fuzz/tokenizer_file.h"
#include "tokenizer/world_tokenizer.h"

namespace {

// A vocabulary needs all bytes: most inputs become one by having them put in front.
std::string all_bytes() {
  std::string world;
  for (int byte = 0; byte < 256; ++byte) {
    char line[32];
    std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", byte + 1, static_cast<unsigned>(byte));
    world += line;
  }
  return world;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const std::string bytes = all_bytes();
  const std::string text(fuzz::view(data, size));
  for (const std::string& vocabulary : {text, bytes + text}) {
    fuzz::accepts([&] { fuzz::use(*parse_world(vocabulary, "FUZZ"), text, true); });
  }
  return 0;
}
