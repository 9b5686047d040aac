// The bytes of every token, packed one after another: what decoding copies from.
//
// Plain storage; which token is special or found in text is its owner's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

class TokenTable {
 public:
  // Appends the bytes of the next id, which may be none.
  void add(std::string_view bytes, bool special);
  // Call once after the last `add`.
  void finish();

  int32_t size() const { return static_cast<int32_t>(special_.size()); }
  // Throws when `id` is outside [0, size).  The view lives as long as the table.
  std::string_view at(int32_t id) const;
  bool is_special(int32_t id) const { return id >= 0 && id < size() && special_[id] != 0; }

  // The bytes of `ids` appended to `text`.  Throws as `at` does, before anything is appended.
  void decode(std::span<const int32_t> ids, bool skip_special, std::string& text) const;

 private:
  std::string bytes_;
  std::vector<uint32_t> offsets_{0};  // [size + 1] into bytes_
  std::vector<uint8_t> special_;      // [size]
};

}  // namespace rmkv
