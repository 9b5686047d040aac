// Philox and what is built on it.
#include "core/base/random.h"

#include <cmath>

#include "core/base/error.h"

namespace rmkv {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  // Multipliers and Weyl constants of the paper, table 2.
  constexpr uint64_t kM0 = 0xD2511F53, kM1 = 0xCD9E8D57;
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = kM0 * c[0], p1 = kM1 * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

uint64_t mix64(uint64_t a, uint64_t b) {
  uint64_t x = a + 0x9E3779B97F4A7C15ull * (b + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

uint64_t hash_name(std::string_view name) {
  uint64_t h = 0xCBF29CE484222325ull;
  for (unsigned char byte : name) h = (h ^ byte) * 0x100000001B3ull;
  return mix64(h, name.size());
}

RandomStream::RandomStream(uint64_t seed, std::string_view purpose, uint64_t step,
                           uint64_t position)
    : step_(step), position_(position) {
  uint64_t key = mix64(seed, hash_name(purpose));
  key_ = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

uint64_t RandomStream::next() {
  uint64_t block = position_ / 2;
  std::array<uint32_t, 4> words =
      philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
              static_cast<uint32_t>(step_), static_cast<uint32_t>(step_ >> 32)},
             key_);
  size_t half = 2 * (position_++ % 2);
  return words[half] | static_cast<uint64_t>(words[half + 1]) << 32;
}

double RandomStream::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

uint64_t RandomStream::below(uint64_t bound) {
  RMKV_ASSERT(bound > 0);
  // Words in the last, incomplete run of `bound` are drawn again.
  uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t word;
  do word = next();
  while (word >= limit);
  return word % bound;
}

double RandomStream::normal() {
  double u = 1.0 - uniform(), v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * M_PI * v);
}

uint64_t permuted_index(uint64_t index, uint64_t size, uint64_t seed, std::string_view purpose,
                        uint64_t epoch) {
  RMKV_ASSERT(index < size);
  if (size == 1) return 0;
  uint32_t half_bits = 1;
  while ((uint64_t{1} << (2 * half_bits)) < size) ++half_bits;
  uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t key = mix64(mix64(seed, hash_name(purpose)), epoch);
  do {
    uint64_t left = index >> half_bits, right = index & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      uint64_t next = left ^ (mix64(key + round, right) & mask);
      left = right;
      right = next;
    }
    index = left << half_bits | right;
  } while (index >= size);  // cycle walking: the domain is less than 4 x size, so few turns
  return index;
}

}  // namespace rmkv
