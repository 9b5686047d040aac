// See packing.h.
#include "core/data/packing.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace rmkv {

std::vector<std::vector<size_t>> best_fit(const std::vector<int64_t>& sizes, int64_t capacity) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  std::vector<std::vector<size_t>> groups;
  std::multimap<int64_t, size_t> room;  // room left -> group
  for (size_t place : order) {
    auto found = room.lower_bound(sizes[place]);
    size_t group = groups.size();
    int64_t left = capacity;
    if (found != room.end()) {
      left = found->first;
      group = found->second;
      room.erase(found);
    } else {
      groups.emplace_back();
    }
    groups[group].push_back(place);
    if (left - sizes[place] > 0) room.emplace(left - sizes[place], group);
  }
  for (auto& group : groups) std::sort(group.begin(), group.end());
  std::sort(groups.begin(), groups.end());
  return groups;
}

}  // namespace rmkv
