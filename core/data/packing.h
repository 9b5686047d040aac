// Best-fit decreasing: which documents share a text of bounded length ("Fewer Truncations Improve
// Language Modeling", arXiv 2404.10830, section 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rmkv {

// Groups of places in `sizes`: the largest first, each into the fullest group that still has room,
// else into one of its own; sizes above the capacity stay alone.  Places ascend in a group, groups
// by their first place.
std::vector<std::vector<size_t>> best_fit(const std::vector<int64_t>& sizes, int64_t capacity);

}  // namespace rmkv
