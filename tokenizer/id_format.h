// Token ids as bytes on a pipe or in a file: text, JSON, little-endian integers, NumPy arrays.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

enum class IdFormat {
  kText,  // decimal numbers with blanks between, and a line end
  kJson,  // one array, and a line end
  kU16,   // little-endian; ids up to 65535
  kU32,   // little-endian
  kNpy,   // NumPy format 1.0, uint32 [n]
};

// "text", "json", "u16" (also "uint16"), "u32" (also "uint32"), "npy".  Throws on another name.
IdFormat parse_id_format(std::string_view name);

// Throws when an id does not fit.
std::string write_ids(std::span<const int32_t> ids, IdFormat format);
// Appends what write_ids gives for kJson, or for kText.
void append_id_line(std::span<const int32_t> ids, bool is_json, std::string& out);

// The inverse, which also reads numbers with commas and brackets between as text, and NumPy arrays
// of any integer type.  Throws on anything else; `where` opens the message.
std::vector<int32_t> read_ids(std::string_view bytes, IdFormat format, const std::string& where);

}  // namespace rmkv
