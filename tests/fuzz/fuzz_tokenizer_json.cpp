// libFuzzer target: any bytes as a tokenizer.json give an Error or a tokenizer that encodes and
// decodes.
//
// Built only with clang and -DRMKV_FUZZ=ON; run as fuzz_tokenizer_json CORPUS_FOLDER.
#include <cstddef>
#include <cstdint>

#include "core/base/error.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const rmkv::TokenizerPtr tokenizer = rmkv::parse_tokenizer_json(text, "FUZZ");
    // The input itself is as good a text as any.
    for (const bool parse_special : {true, false}) {
      tokenizer->decode(tokenizer->encode(text.substr(0, 4096), parse_special), !parse_special);
    }
    const rmkv::TokenizerPtr again = rmkv::parse_tokenizer_json(tokenizer->to_json(), "AGAIN");
    if (again->fingerprint() != tokenizer->fingerprint()) __builtin_trap();
  } catch (const rmkv::Error&) {
  }
  return 0;
}
