// The table of kernels that librmkv_cuda.so exports: its only symbol.
#include <cuda_runtime.h>

#include "core/kernels/cuda/adamw.cuh"
#include "core/kernels/cuda/swiglu.cuh"
#include "core/kernels/cuda/wkv.cuh"

namespace {

const char* error_name(int32_t error) {
  return cudaGetErrorString(static_cast<cudaError_t>(error));
}

constexpr rmkv_cuda_kernels kTable = {RMKV_CUDA_VERSION,
                                      rmkv::cuda::swiglu_forward,
                                      rmkv::cuda::swiglu_backward,
                                      rmkv::cuda::wkv4_forward,
                                      rmkv::cuda::wkv4_backward,
                                      rmkv::cuda::wkv_forward,
                                      rmkv::cuda::wkv_backward,
                                      rmkv::cuda::wkv7_forward,
                                      rmkv::cuda::wkv7_backward,
                                      rmkv::cuda::adamw,
                                      error_name};

}  // namespace

extern "C" __attribute__((visibility("default"))) const rmkv_cuda_kernels* rmkv_cuda_get_kernels(
    void) {
  return &kTable;
}
