// SHA-256 (FIPS 180-4): the hash by which the hub names large files.
//
// Not for secrets, and not our own hash of contents (file.h): that one is far faster.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace rmkv {

class Sha256 {
 public:
  void add(std::string_view bytes);
  // 64 hexadecimal digits; ends the hash.
  std::string finish();

 private:
  void block(const unsigned char* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> rest_{};  // of a block that is not full
  uint64_t size_bytes_ = 0;
};

std::string sha256(std::string_view content);

}  // namespace rmkv
