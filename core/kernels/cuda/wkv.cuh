// The launchers of wkv.cu, wkv4.cu and wkv7.cu; shapes, dtypes and results as in interface.h.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "core/kernels/cuda/interface.h"

namespace rmkv::cuda {

int32_t wkv4_forward(const rmkv_cuda_wkv4* call, void* stream);
int32_t wkv4_backward(const rmkv_cuda_wkv4* call, void* stream);
int32_t wkv_forward(const rmkv_cuda_wkv* call, void* stream);
int32_t wkv_backward(const rmkv_cuda_wkv* call, void* stream);
int32_t wkv7_forward(const rmkv_cuda_wkv* call, void* stream);
int32_t wkv7_backward(const rmkv_cuda_wkv* call, void* stream);

// Elements of rows as fp32.
__device__ __forceinline__ float read_element(const void* rows, int64_t at, const float*) {
  return static_cast<const float*>(rows)[at];
}
__device__ __forceinline__ float read_element(const void* rows, int64_t at, const __nv_bfloat16*) {
  return __bfloat162float(static_cast<const __nv_bfloat16*>(rows)[at]);
}
__device__ __forceinline__ void write_element(void* rows, int64_t at, float value, const float*) {
  static_cast<float*>(rows)[at] = value;
}
__device__ __forceinline__ void write_element(void* rows, int64_t at, float value,
                                              const __nv_bfloat16*) {
  static_cast<__nv_bfloat16*>(rows)[at] = __float2bfloat16_rn(value);
}

}  // namespace rmkv::cuda
