// Counter-based random numbers: every number is a function of (seed, purpose, step, position).
//
// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3).
// There is no state to save: whoever knows the four numbers draws the same values, in any order and
// on any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rmkv {

// One Philox4x32-10 block.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A stable 64-bit hash of a name (FNV-1a, then mixed); purposes and source names become numbers by
// it.
uint64_t hash_name(std::string_view name);
// A stable mix of two 64-bit numbers (splitmix64 finaliser).
uint64_t mix64(uint64_t a, uint64_t b);

// A stream of numbers for one (seed, purpose, step); `position` counts the 64-bit words taken from
// it. A plain value: copy it, save its four numbers.
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view purpose, uint64_t step = 0, uint64_t position = 0);

  uint64_t next();                 // uniform over all 64-bit words
  double uniform();                // [0, 1), 53 bits
  uint64_t below(uint64_t bound);  // [0, bound), unbiased; bound > 0
  double normal();                 // mean 0, deviation 1 (Box-Muller; takes two words)

  uint64_t position() const { return position_; }
  void seek(uint64_t position) { position_ = position; }

 private:
  std::array<uint32_t, 2> key_;
  uint64_t step_;
  uint64_t position_;
};

// A pseudo-random permutation of [0, size) evaluated at `index` without a table (a 4-round Feistel
// network over the next even power of two with cycle walking).  Same (seed, purpose, epoch) -> same
// permutation.
uint64_t permuted_index(uint64_t index, uint64_t size, uint64_t seed, std::string_view purpose,
                        uint64_t epoch);

}  // namespace rmkv
