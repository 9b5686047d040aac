// GPT-2's spelling of bytes as visible characters: how byte-level vocabularies are written in
// files.
//
// Bytes 33-126, 161-172 and 174-255 stand for themselves (as code points); the other 68 follow, in
// order, as U+0100 ... U+0143, so that a space is U+0120.  Source: openai/gpt-2, src/encoder.py,
// bytes_to_unicode.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rmkv {

// The code point for each byte.
const std::array<uint16_t, 256>& byte_code_points();

// The 256 bytes in the order of their code points: the order of their ids in a trained vocabulary.
const std::array<uint8_t, 256>& bytes_by_code_point();

// Bytes to their spelling.
std::string spell_bytes(std::string_view bytes);

// The bytes behind a spelling; nothing when it holds a character that spells no byte.
std::optional<std::string> unspell_bytes(std::string_view spelling);

// The same appended to `out`; false, with something appended or not, when it is no spelling.
bool append_unspelled(std::string_view spelling, std::string& out);

}  // namespace rmkv
