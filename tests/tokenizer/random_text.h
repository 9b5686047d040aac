// Texts that make tokenizers stumble, for tests: a function of a seed.
#pragma once

#include <string>

#include "core/base/random.h"
#include "tokenizer/unicode.h"

namespace rmkv {

// A random element of a list of strings.
inline std::string pick(RandomStream& random, std::initializer_list<const char*> list) {
  return list.begin()[random.below(list.size())];
}

// Up to 40 pieces: words, contractions, white space of all kinds, letters and numbers of many
// scripts, and, where `valid` is false, bytes that are no UTF-8.
inline std::string random_text(RandomStream& random, bool valid) {
  std::string text;
  const uint64_t pieces = random.below(40);
  for (uint64_t i = 0; i < pieces; ++i) {
    switch (random.below(valid ? 5 : 6)) {
      case 0:
        text += pick(random,
                     {" ", "  ", "\n", "\r\n", "\t", "\n\n ", "   \n", "\xC2\xA0", "\xE3\x80\x80"});
        break;
      case 1:
        text += pick(random, {"hello", "World", "'s", "'LL", "'re", "'\xC5\xBF", "don't", "I'd",
                              "12345", "x1"});
        break;
      case 2:
        text += pick(random, {"!", "...", "--", "_", "<end>", "<think>", "<", "\xC3\xA9",
                              "e\xCC\x81", "\xF0\x9F\x98\x80"});
        break;
      case 3:
        text += static_cast<char>(random.below(128));
        break;
      case 4: {
        uint32_t code_point =
            static_cast<uint32_t>(random.below(random.below(2) == 0 ? 0x3000 : 0x20000));
        if (code_point >= 0xD800 && code_point < 0xE000) code_point = 'A';
        append_utf8(code_point, text);
        break;
      }
      default:
        text += static_cast<char>(random.below(256));
    }
  }
  return text;
}

}  // namespace rmkv
