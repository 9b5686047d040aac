// A compressed file of any bytes: refused, or with the same content from the beginning, from the
// middle and through the index that the first reading left in the cache.
#pragma once

#include <algorithm>
#include <string>

#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"

namespace rmkv::fuzz {

template <typename File>
void try_compressed(const std::string& name, std::string_view bytes) {
  static const Scratch scratch;
  scratch.clear();
  const std::string path = scratch.write(name, bytes);
  std::string content;
  const bool readable = accepts([&] {
    const File file(path, scratch.path("cache"));
    // A chunk is held in memory: a small file may unfold into much of it, so its beginning will do.
    content = file.read(0, std::min<uint64_t>(file.size_bytes(), 1 << 20));
    const uint64_t middle = file.size_bytes() / 2;
    const std::string end = file.read(middle, std::min<uint64_t>(file.size_bytes() - middle, 4096));
    const std::string_view rest =
        std::string_view(content).substr(std::min(middle, content.size()));
    if (rest.substr(0, end.size()) != std::string_view(end).substr(0, rest.size())) {
      __builtin_trap();
    }
  });
  if (!readable) return;
  accepts([&] {
    const File again(path, scratch.path("cache"));
    if (again.read(0, content.size()) != content) __builtin_trap();
  });
}

}  // namespace rmkv::fuzz
