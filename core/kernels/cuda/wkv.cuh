// The launchers of wkv.cu, wkv4.cu and wkv7.cu, and what their kernels share; shapes, dtypes and
// results as in interface.h.
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

// Where the head of this block begins: kernels with matrix states run a block per lane and head, a
// thread per channel.
struct Head {
  int64_t b, h;
  __device__ explicit Head(const rmkv_cuda_wkv& call)
      : b(blockIdx.x / call.H), h(blockIdx.x % call.H) {}
  __device__ int64_t row(const rmkv_cuda_wkv& call, int64_t t, int n) const {
    return ((b * call.T + t) * call.H + h) * call.N + n;
  }
  __device__ int mark(const rmkv_cuda_wkv& call, int64_t t) const {
    return call.marks ? call.marks[b * call.T + t] : 0;
  }
  __device__ float decay(const rmkv_cuda_wkv& call, int64_t t, int n) const {
    return call.decay[call.constant_decay ? h * call.N + n : row(call, t, n)];
  }
};

// Calls launch with a null pointer of the element type of `dtype`; returns the launch's error.
template <typename Launch>
int32_t with_element_type(int32_t dtype, const Launch& launch) {
  if (dtype == RMKV_CUDA_FP32) {
    launch(static_cast<float*>(nullptr));
  } else {
    launch(static_cast<__nv_bfloat16*>(nullptr));
  }
  return cudaGetLastError();
}

// Threads per block as a compile-time constant.
template <int kSize>
struct HeadSize {
  static constexpr int value = kSize;
};

// Calls launch(null pointer of the element type, HeadSize, blocks) for the call's heads.
template <typename Launch>
int32_t launch_heads(const rmkv_cuda_wkv& call, const Launch& launch) {
  if (call.B <= 0 || call.T <= 0 || call.H <= 0) return cudaErrorInvalidValue;
  const auto blocks = static_cast<unsigned>(call.B * call.H);
  const auto sized = [&](auto size) {
    return with_element_type(call.dtype, [&](auto* type) { launch(type, size, blocks); });
  };
  switch (call.N) {
    case 16:
      return sized(HeadSize<16>());
    case 32:
      return sized(HeadSize<32>());
    case 64:
      return sized(HeadSize<64>());
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace rmkv::cuda
