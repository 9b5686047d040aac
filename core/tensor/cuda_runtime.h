// Opens the CUDA side of LibTorch the first time somebody asks for a GPU.
//
// The program does not link it: one binary serves machines with and without a GPU, and starts
// quickly.  Nothing here allocates on a device or touches tensors; our own kernels are opened by
// core/kernels/cuda/library.h. LibTorch registers its CUDA back end when libtorch_cuda.so is opened
// (pytorch/pytorch issues 31611, 148770).
#pragma once

#include <string>

namespace rmkv {

// What is opened, in this order; tests put other names here.
struct CudaLibraries {
  std::string driver = "libcuda.so.1";     // comes with the NVIDIA driver
  std::string torch = "libtorch_cuda.so";  // found by the program's rpath
};

struct CudaProbe {
  bool available = false;  // LibTorch can use at least one GPU
  int device_count = 0;    // GPUs the driver shows
  std::string why;         // why not available, or ""
  std::string hint;        // the next step, or ""
};

// Opens the libraries and says how far it came.  Never throws; what was opened stays open, since
// LibTorch cannot be closed again.  Takes about a second where there is a GPU and well under a
// millisecond where there is no driver.
CudaProbe probe_cuda(const CudaLibraries& libraries);

// The probe of the default libraries, made once per process; safe from any thread.
const CudaProbe& cuda_probe();

// Whether tensors can live on a GPU; `why` (may be null) receives the reason when they cannot.
bool cuda_available(std::string* why = nullptr);

// Throws Error "cuda: got <what is missing>, expected a usable GPU" with a hint unless
// cuda_available().
void ensure_cuda();

// What a failed dlopen means, for a reader who did not build the wheel: the library that is missing
// and which package brings it.  `text` is what dlerror() said.  Returns the hint, or "" for a
// library not known here.
std::string missing_library_hint(const std::string& text);

}  // namespace rmkv
