// Base64 (RFC 4648, section 4) as it stands in tiktoken's rank files and in a precompiled_charsmap.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rmkv {

// The bytes, or nothing when `text` is empty or no base64 with its padding.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace rmkv
