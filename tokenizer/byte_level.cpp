// The two directions of the byte spelling, from one table.
#include "tokenizer/byte_level.h"

#include <algorithm>
#include <numeric>

#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

constexpr uint32_t kSpellingEnd = 0x144;

bool spells_itself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

std::array<int16_t, kSpellingEnd> make_bytes_of_code_points() {
  std::array<int16_t, kSpellingEnd> bytes;
  bytes.fill(-1);
  for (int byte = 0; byte < 256; ++byte)
    bytes[byte_code_points()[byte]] = static_cast<int16_t>(byte);
  return bytes;
}

}  // namespace

const std::array<uint16_t, 256>& byte_code_points() {
  static const std::array<uint16_t, 256> table = [] {
    std::array<uint16_t, 256> codes{};
    uint16_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      codes[byte] = spells_itself(byte) ? static_cast<uint16_t>(byte) : next++;
    }
    return codes;
  }();
  return table;
}

const std::array<uint8_t, 256>& bytes_by_code_point() {
  static const std::array<uint8_t, 256> table = [] {
    std::array<uint8_t, 256> bytes{};
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    std::sort(bytes.begin(), bytes.end(),
              [](uint8_t a, uint8_t b) { return byte_code_points()[a] < byte_code_points()[b]; });
    return bytes;
  }();
  return table;
}

std::string spell_bytes(std::string_view bytes) {
  std::string spelling;
  spelling.reserve(bytes.size() + bytes.size() / 4);
  for (const char c : bytes)
    append_utf8(byte_code_points()[static_cast<unsigned char>(c)], spelling);
  return spelling;
}

bool append_unspelled(std::string_view spelling, std::string& out) {
  static const std::array<int16_t, kSpellingEnd> bytes_of = make_bytes_of_code_points();
  const char* const end = spelling.data() + spelling.size();
  for (const char* p = spelling.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    if (c.code_point >= kSpellingEnd || bytes_of[c.code_point] < 0) return false;
    out += static_cast<char>(bytes_of[c.code_point]);
    p += c.size_bytes;
  }
  return true;
}

std::optional<std::string> unspell_bytes(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  if (!append_unspelled(spelling, bytes)) return std::nullopt;
  return bytes;
}

}  // namespace rmkv
