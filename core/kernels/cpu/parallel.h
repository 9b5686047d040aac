// Splitting a loop over LibTorch's threads.
//
// at::parallel_for is a header template that is serial unless its file is compiled for OpenMP; only
// parallel.cpp is, against the OpenMP runtime that LibTorch brings, so that exactly one is loaded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace rmkv::kernels::cpu {

// Calls fn(first, last) on disjoint ranges that cover [0, count); ranges hold at least `grain`
// items.  Which range a thread gets depends on the thread count: results must not depend on the
// split.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& fn);

// The grain below which handing work to another thread costs more than it saves, for items of
// `work` multiply-adds each: a hand-over takes microseconds, as do some hundred thousand
// multiply-adds.
inline int64_t grain_of(int64_t work) {
  constexpr int64_t kSerialWork = 1 << 18;
  return std::max<int64_t>(1, kSerialWork / std::max<int64_t>(1, work));
}

}  // namespace rmkv::kernels::cpu
