// Splitting a loop over LibTorch's threads.
//
// at::parallel_for is a header template that is serial unless its file is compiled for OpenMP; only
// parallel.cpp is, against the OpenMP runtime that LibTorch brings, so that exactly one is loaded.
#pragma once

#include <cstdint>
#include <functional>

namespace rmkv::kernels::cpu {

// Calls fn(first, last) on disjoint ranges that cover [0, count); ranges hold at least `grain`
// items.  Which range a thread gets depends on the thread count: results must not depend on the
// split.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& fn);

}  // namespace rmkv::kernels::cpu
