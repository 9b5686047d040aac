// Damaged copies of a file, the same at every run, for every reader of foreign bytes: each must be
// read or refused by an Error that names the file, and nothing large may be allocated for it.
//
// The short, deterministic sister of the fuzz targets in tests/fuzz.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>

#include "core/base/error.h"
#include "tests/catch.h"

namespace rmkv::test {

// Allows this process so much more address space than it has; a larger allocation fails, which is
// no Error.  Does nothing under a sanitizer, which reserves terabytes.
class MemoryBound {
 public:
  explicit MemoryBound(uint64_t more_bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(pages * 4096 + more_bytes, before_.rlim_max);
    if (pages > 0) ::setrlimit(RLIMIT_AS, &limit);
#else
    (void)more_bytes;
#endif
  }
  ~MemoryBound() {
    ::setrlimit(RLIMIT_AS, &before_);
  }
  MemoryBound(const MemoryBound&) = delete;
  MemoryBound& operator=(const MemoryBound&) = delete;

 private:
  rlimit before_{};
};

// Flips bits, overwrites with extreme values, cuts, leaves out, repeats.
inline std::string damaged(std::string bytes, std::mt19937& random) {
  for (size_t count = 1 + random() % 3; count > 0 && !bytes.empty(); --count) {
    const size_t place = random() % bytes.size();
    switch (random() % 6) {
      case 0:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
        break;
      case 1:
        bytes[place] = static_cast<char>(random());
        break;
      case 2:
        for (size_t i = place; i < std::min(bytes.size(), place + 8); ++i) bytes[i] = '\xff';
        break;
      case 3:
        bytes.resize(place);
        break;
      case 4:
        bytes.erase(place, random() % 16);
        break;
      default:
        bytes.insert(place, bytes.substr(random() % bytes.size(), random() % 32));
    }
  }
  return bytes;
}

struct DamageCounts {
  int read = 0, refused = 0;
};

// Gives `use` the file cut at every length (of a long one, at 1024 lengths) and `rounds` damaged
// copies.  `name` must stand in what every Error says.
template <typename Use>
DamageCounts try_damage(const std::string& whole, const std::string& name, int rounds, Use use) {
  constexpr unsigned kSeed = 5;
  constexpr uint64_t kMoreBytes = uint64_t{192} << 20;
  CAPTURE(kSeed, name);
  DamageCounts counts;
  const MemoryBound bound(kMoreBytes);
  const auto attempt = [&](const std::string& bytes) {
    try {
      use(bytes);
      ++counts.read;
    } catch (const Error& error) {
      ++counts.refused;
      if (std::string(error.what()).find(name) == std::string::npos) {
        FAIL("an Error that does not name " << name << ": " << error.what());
      }
    }
  };
  attempt(whole);
  CHECK(counts.read == 1);
  const size_t step = std::max<size_t>(1, whole.size() / 1024);
  for (size_t length = 0; length < whole.size(); length += step) attempt(whole.substr(0, length));
  std::mt19937 random(kSeed);
  for (int round = 0; round < rounds; ++round) attempt(damaged(whole, random));
  return counts;
}

}  // namespace rmkv::test
