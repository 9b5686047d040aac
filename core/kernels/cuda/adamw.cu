// One AdamW update of a parameter: a thread an element, a thread block a block of 256 elements, so
// that the largest magnitude, which scales 8-bit moments, is a reduction inside the thread block.
// The arithmetic is in core/kernels/adamw_math.h, the interface in interface.h.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "core/kernels/adamw_math.h"
#include "core/kernels/cuda/adamw.cuh"

namespace rmkv::cuda {
namespace {

namespace math = ::rmkv::adamw;

constexpr int kThreads = math::kBlock;
constexpr int kWarps = kThreads / 32;
constexpr int64_t kMaxBlocks = 16384;  // a grid-stride loop takes the rest

struct Pair {
  float first, second;
};

// The largest of each over the thread block, for every thread; x and y at least 0.
__device__ __forceinline__ Pair largest_of(float x, float y, Pair* warps) {
  for (int step = 16; step > 0; step /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    y = fmaxf(y, __shfl_xor_sync(0xffffffffu, y, step));
  }
  __syncthreads();  // nobody reads the result before any more
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = Pair{x, y};
  __syncthreads();
  Pair result = warps[0];
  for (int w = 1; w < kWarps; ++w) {
    result.first = fmaxf(result.first, warps[w].first);
    result.second = fmaxf(result.second, warps[w].second);
  }
  return result;
}

template <int State>
__global__ void __launch_bounds__(kThreads) adamw_kernel(rmkv_cuda_adamw call) {
  __shared__ math::Factors shared_factors;
  __shared__ Pair warps[kWarps];
  if (call.skip != nullptr && *call.skip != 0.0f) return;
  const uint32_t updates = static_cast<uint32_t>(*call.updates);
  if (threadIdx.x == 0) {
    const math::Rates rates{call.lr, call.beta1, call.beta2, call.eps, call.weight_decay};
    const double divisor = call.divisor != nullptr ? static_cast<double>(*call.divisor) : 1.0;
    shared_factors = math::factors_of(rates, updates + 1.0, divisor);
  }
  __syncthreads();
  const math::Factors factors = shared_factors;
  const uint32_t stream = math::noise_stream(call.index, updates);
  auto* copy = static_cast<__nv_bfloat16*>(call.copy);
  const int64_t blocks = (call.count + kThreads - 1) / kThreads;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    const int64_t i = block * kThreads + threadIdx.x;
    const bool inside = i < call.count;
    float value = 0, first = 0, second = 0, gradient = 0;
    if (inside) {
      value = call.value[i];
      gradient = call.gradient[i];
      if constexpr (State == RMKV_CUDA_MOMENTS_FULL) {
        first = static_cast<const float*>(call.first)[i];
        second = static_cast<const float*>(call.second)[i];
      } else if constexpr (State == RMKV_CUDA_MOMENTS_BF16) {
        first = math::bf16_value(static_cast<const uint16_t*>(call.first)[i]);
        second = math::bf16_value(static_cast<const uint16_t*>(call.second)[i]);
      } else {
        first =
            math::first_value(static_cast<const uint8_t*>(call.first)[i], call.first_scale[block]);
        second = math::second_value(static_cast<const uint8_t*>(call.second)[i],
                                    call.second_scale[block]);
      }
      math::update(factors, gradient, value, first, second);
      call.value[i] = value;
      if (copy != nullptr) copy[i] = __float2bfloat16_rn(value);
    }
    const uint32_t noise = math::noise_bits(stream, static_cast<uint32_t>(i));
    if constexpr (State == RMKV_CUDA_MOMENTS_FULL) {
      if (inside) {
        static_cast<float*>(call.first)[i] = first;
        static_cast<float*>(call.second)[i] = second;
      }
    } else if constexpr (State == RMKV_CUDA_MOMENTS_BF16) {
      if (inside) {
        static_cast<uint16_t*>(call.first)[i] = math::bf16_bits(first, noise & 0xffffu);
        static_cast<uint16_t*>(call.second)[i] = math::bf16_bits(second, noise >> 16);
      }
    } else {
      const Pair peak = largest_of(fabsf(first), second, warps);  // after every scale was read
      const float first_scale = math::scale_of(peak.first);
      const float second_scale = math::scale_of(peak.second);
      if (inside) {
        static_cast<uint8_t*>(call.first)[i] = math::first_code(
            first, math::inverse_of(first_scale), math::noise_share(noise & 0xffffu));
        static_cast<uint8_t*>(call.second)[i] = math::second_code(
            second, math::inverse_of(second_scale), math::noise_share(noise >> 16));
      }
      if (threadIdx.x == 0) {
        call.first_scale[block] = first_scale;
        call.second_scale[block] = second_scale;
      }
    }
  }
}

}  // namespace

int32_t adamw(const rmkv_cuda_adamw* call, void* stream) {
  if (call->count <= 0) return call->count < 0 ? cudaErrorInvalidValue : cudaSuccess;
  const int64_t blocks = (call->count + kThreads - 1) / kThreads;
  const auto grid = static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
  const auto s = static_cast<cudaStream_t>(stream);
  switch (call->state) {
    case RMKV_CUDA_MOMENTS_FULL:
      adamw_kernel<RMKV_CUDA_MOMENTS_FULL><<<grid, kThreads, 0, s>>>(*call);
      break;
    case RMKV_CUDA_MOMENTS_BF16:
      adamw_kernel<RMKV_CUDA_MOMENTS_BF16><<<grid, kThreads, 0, s>>>(*call);
      break;
    case RMKV_CUDA_MOMENTS_8BIT:
      adamw_kernel<RMKV_CUDA_MOMENTS_8BIT><<<grid, kThreads, 0, s>>>(*call);
      break;
    default:
      return cudaErrorInvalidValue;
  }
  return cudaGetLastError();
}

}  // namespace rmkv::cuda
