// SwiGLU forward and backward as one launch each: reads every element once, writes once, no
// intermediate. fp32 or bf16 storage, fp32 arithmetic.  The arithmetic is in swiglu_math.h, the
// interface in interface.h.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "core/kernels/cuda/swiglu.cuh"
#include "core/kernels/cuda/swiglu_math.h"

namespace rmkv::cuda {
namespace {

// 256 threads fill a multiprocessor of every architecture built for; a grid-stride loop takes the
// rest.
constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 8192;

__device__ __forceinline__ float load(const float* p) {
  return *p;
}
__device__ __forceinline__ float load(const __nv_bfloat16* p) {
  return __bfloat162float(*p);
}
__device__ __forceinline__ void store(float* p, float value) {
  *p = value;
}
__device__ __forceinline__ void store(__nv_bfloat16* p, float value) {
  *p = __float2bfloat16_rn(value);
}

// in [N, 2F], out [N, F]; one element a turn, neighbours read neighbours.
template <typename T>
__global__ void forward_kernel(const T* __restrict__ in, T* __restrict__ out, int64_t N,
                               int64_t F) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < N * F;
       i += step) {
    const T* gate = in + (i / F) * 2 * F + i % F;
    store(out + i, swiglu(load(gate), load(gate + F)));
  }
}

// in [N, 2F], grad_out [N, F], grad_in [N, 2F].
template <typename T>
__global__ void backward_kernel(const T* __restrict__ in, const T* __restrict__ grad_out,
                                T* __restrict__ grad_in, int64_t N, int64_t F) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < N * F;
       i += step) {
    const int64_t at = (i / F) * 2 * F + i % F;
    const SwigluGradient gradient =
        swiglu_gradient(load(in + at), load(in + at + F), load(grad_out + i));
    store(grad_in + at, gradient.gate);
    store(grad_in + at + F, gradient.up);
  }
}

unsigned block_count(int64_t elements) {
  const int64_t blocks = (elements + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

template <typename T>
cudaError_t launch_forward(const void* in, void* out, int64_t N, int64_t F, cudaStream_t stream) {
  forward_kernel<T><<<block_count(N * F), kThreads, 0, stream>>>(static_cast<const T*>(in),
                                                                 static_cast<T*>(out), N, F);
  return cudaGetLastError();
}

template <typename T>
cudaError_t launch_backward(const void* in, const void* grad_out, void* grad_in, int64_t N,
                            int64_t F, cudaStream_t stream) {
  backward_kernel<T><<<block_count(N * F), kThreads, 0, stream>>>(
      static_cast<const T*>(in), static_cast<const T*>(grad_out), static_cast<T*>(grad_in), N, F);
  return cudaGetLastError();
}

}  // namespace

int32_t swiglu_forward(const void* in, void* out, int64_t N, int64_t F, int32_t dtype,
                       void* stream) {
  if (N <= 0 || F <= 0) return N < 0 || F < 0 ? cudaErrorInvalidValue : cudaSuccess;
  const auto s = static_cast<cudaStream_t>(stream);
  switch (dtype) {
    case RMKV_CUDA_FP32:
      return launch_forward<float>(in, out, N, F, s);
    case RMKV_CUDA_BF16:
      return launch_forward<__nv_bfloat16>(in, out, N, F, s);
    default:
      return cudaErrorInvalidValue;
  }
}

int32_t swiglu_backward(const void* in, const void* grad_out, void* grad_in, int64_t N, int64_t F,
                        int32_t dtype, void* stream) {
  if (N <= 0 || F <= 0) return N < 0 || F < 0 ? cudaErrorInvalidValue : cudaSuccess;
  const auto s = static_cast<cudaStream_t>(stream);
  switch (dtype) {
    case RMKV_CUDA_FP32:
      return launch_backward<float>(in, grad_out, grad_in, N, F, s);
    case RMKV_CUDA_BF16:
      return launch_backward<__nv_bfloat16>(in, grad_out, grad_in, N, F, s);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace rmkv::cuda
