// Opens librmkv_cuda.so, the library of our CUDA kernels, the first time a kernel is wanted.
//
// The kernels are optional: where the library was not built (no nvcc) or does not fit, the LibTorch
// operations they replace serve.  The library holds no LibTorch; what it offers is the C table of
// interface.h.
#pragma once

#include <string>

#include "core/kernels/cuda/interface.h"

namespace rmkv {

// Opens the library at `path` ("" for the place beside the program: ../lib/rmkv/librmkv_cuda.so).
// Null when that fails, and then `why` (may be null) says so.  Needs no GPU; stays open.
const rmkv_cuda_kernels* open_cuda_kernels(const std::string& path, std::string* why);

// The table of the library beside the program, or null; opened once per process, safe from any
// thread.
const rmkv_cuda_kernels* cuda_kernels(std::string* why = nullptr);

}  // namespace rmkv
