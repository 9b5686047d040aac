// The English contractions that all known split patterns cut off: '(?:[sdmt]|ll|ve|re).
#pragma once

#include <cstddef>

namespace rmkv {

// The end of the contraction at `p`, where an apostrophe stands, or nullptr when there is none
// before `end`.
inline const char* contraction(const char* p, const char* end, bool any_case) {
  const auto letter = [&](std::ptrdiff_t i) -> char {
    if (end - p <= i) return '\0';
    return any_case && p[i] >= 'A' && p[i] <= 'Z' ? static_cast<char>(p[i] | 0x20) : p[i];
  };
  const char first = letter(1), second = letter(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return p + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e')) return p + 3;
  if (first == 'l' && second == 'l') return p + 3;
  // U+017F, the long s, is an s when case is ignored.
  if (any_case && first == '\xC5' && second == '\xBF') return p + 3;
  return nullptr;
}

}  // namespace rmkv
