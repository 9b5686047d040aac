// What the fuzzers of tokenizer files share: a tokenizer that was read is used and written again.
#pragma once

#include "tests/fuzz/input.h"
#include "tokenizer/tokenizer.h"

namespace rmkv::fuzz {

// The input itself is as good a text as any.  `lossless`: ids must stand for the text.
inline void use(const Tokenizer& tokenizer, std::string_view text, bool lossless) {
  text = text.substr(0, 4096);
  for (const bool special : {true, false}) {
    const std::vector<int32_t> ids = tokenizer.encode(text, special);
    const std::string decoded = tokenizer.decode(ids, !special);
    if (lossless && !special && tokenizer.decode(ids) != text) __builtin_trap();
  }
  const TokenizerPtr again = parse_tokenizer_json(tokenizer.to_json(), "AGAIN");
  if (again->fingerprint() != tokenizer.fingerprint()) __builtin_trap();
}

}  // namespace rmkv::fuzz
