// libFuzzer target: any bytes as a tiktoken rank file or a World vocabulary give an Error or a
// tokenizer whose ids stand for the text.
//
// Built only with clang and -DRMKV_FUZZ=ON; run as fuzz_tokenizer_files CORPUS_FOLDER.
#include <cstddef>
#include <cstdint>

#include "core/base/error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/world_tokenizer.h"

namespace {

void use(const rmkv::Tokenizer& tokenizer, std::string_view text, bool lossless) {
  const auto ids = tokenizer.encode(text.substr(0, 4096), false);
  if (lossless && tokenizer.decode(ids) != text.substr(0, 4096)) __builtin_trap();
  const auto again = rmkv::parse_tokenizer_json(tokenizer.to_json(), "AGAIN");
  if (again->fingerprint() != tokenizer.fingerprint()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    use(*rmkv::parse_tiktoken(text, "FUZZ"), text, false);
  } catch (const rmkv::Error&) {
  }
  // A World vocabulary needs all bytes: most inputs become one by having them put in front.
  std::string world;
  for (int byte = 0; byte < 256; ++byte) {
    char line[32];
    std::snprintf(line, sizeof(line), "%d b'\\x%02x' 1\n", byte + 1, static_cast<unsigned>(byte));
    world += line;
  }
  for (const std::string& vocabulary : {std::string(text), world + std::string(text)}) {
    try {
      use(*rmkv::parse_world(vocabulary, "FUZZ"), text, true);
    } catch (const rmkv::Error&) {
    }
  }
  return 0;
}
