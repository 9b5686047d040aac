// See parallel.h.  Compiled with -fopenmp (CMakeLists.txt).
#include "core/kernels/cpu/parallel.h"

#include <ATen/Parallel.h>

#ifndef _OPENMP
#error "parallel.cpp must be compiled with -fopenmp: without it every kernel runs on one thread"
#endif

namespace rmkv::kernels::cpu {

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& fn) {
  at::parallel_for(0, count, grain, [&](int64_t first, int64_t last) { fn(first, last); });
}

}  // namespace rmkv::kernels::cpu
