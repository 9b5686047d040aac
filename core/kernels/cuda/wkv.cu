// The recurrence of RWKV-5 and 6: one block per lane and head, one thread per channel; the
// arithmetic is in wkv_math.h.  Backward computes the states of a chunk again into scratch.
#include <type_traits>

#include "core/kernels/cuda/wkv.cuh"
#include "core/kernels/cuda/wkv_math.h"

namespace rmkv::cuda {
namespace {

template <typename T, int N>
__global__ void forward_kernel(rmkv_cuda_wkv call) {
  __shared__ float r[N], k[N], w[N], u[N];
  const Head head(call);
  const int n = threadIdx.x;
  const int64_t area = N * N, item = blockIdx.x, chunks = (call.T + kWkvChunk - 1) / kWkvChunk;
  const T* type = nullptr;
  float S[N];  // S[i][n]
  for (int i = 0; i < N; ++i) S[i] = call.initial[item * area + i * N + n];
  u[n] = call.bonus[head.h * N + n];
  for (int64_t t = 0; t < call.T; ++t) {
    if (call.kept && t % kWkvChunk == 0) {
      float* kept = call.kept + (item * chunks + t / kWkvChunk) * area;
      for (int i = 0; i < N; ++i) kept[i * N + n] = S[i];
    }
    const int mark = head.mark(call, t);
    const int64_t at = head.row(call, t, n);
    if (mark & RMKV_CUDA_RESET) {
      for (int i = 0; i < N; ++i) S[i] = call.reset ? call.reset[head.h * area + i * N + n] : 0;
    }
    if (mark & RMKV_CUDA_SKIP) {  // the same for the whole block
      write_element(call.out, at, 0, type);
      continue;
    }
    __syncthreads();
    r[n] = read_element(call.receptance, at, type);
    k[n] = read_element(call.key, at, type);
    w[n] = head.decay(call, t, n);
    __syncthreads();
    write_element(call.out, at,
                  wkv_forward_step<N>(S, r, k, w, u, read_element(call.value, at, type)), type);
  }
  for (int i = 0; i < N; ++i) call.final[item * area + i * N + n] = S[i];
}

template <typename T, int N>
__global__ void backward_kernel(rmkv_cuda_wkv call) {
  __shared__ float r[N], k[N], v[N], w[N], u[N], dy[N];
  const Head head(call);
  const int n = threadIdx.x;
  const int64_t area = N * N, item = blockIdx.x, chunks = (call.T + kWkvChunk - 1) / kWkvChunk;
  const T* type = nullptr;
  float* states = call.scratch + item * (kWkvChunk + 1) * area;  // by token, [key, value]
  float of_value[N], of_key[N], S[N];                            // S[n][j]
  for (int i = 0; i < N; ++i) {
    of_value[i] = call.grad_final ? call.grad_final[item * area + i * N + n] : 0;
    of_key[i] = call.grad_final ? call.grad_final[item * area + n * N + i] : 0;
    if (call.grad_reset) call.grad_reset[item * area + i * N + n] = 0;
  }
  u[n] = call.bonus[head.h * N + n];
  float du = 0, dw = 0;
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const int64_t first = chunk * kWkvChunk;
    const int count = static_cast<int>(call.T - first < kWkvChunk ? call.T - first : kWkvChunk);
    for (int j = 0; j < N; ++j) S[j] = call.kept[(item * chunks + chunk) * area + n * N + j];
    for (int m = 0; m < count; ++m) {
      const int mark = head.mark(call, first + m);
      const int64_t at = head.row(call, first + m, n);
      if (mark & RMKV_CUDA_RESET) {
        for (int j = 0; j < N; ++j) S[j] = call.reset ? call.reset[head.h * area + n * N + j] : 0;
      }
      for (int j = 0; j < N; ++j) states[m * area + n * N + j] = S[j];
      if (mark & RMKV_CUDA_SKIP) continue;
      __syncthreads();
      v[n] = read_element(call.value, at, type);
      __syncthreads();
      wkv_key_step<N>(S, read_element(call.key, at, type), head.decay(call, first + m, n), v);
    }
    for (int m = count - 1; m >= 0; --m) {
      const int mark = head.mark(call, first + m);
      const int64_t at = head.row(call, first + m, n);
      WkvThreadGradient d = {0, 0, 0, 0, 0};
      if (!(mark & RMKV_CUDA_SKIP)) {
        __syncthreads();
        r[n] = read_element(call.receptance, at, type);
        k[n] = read_element(call.key, at, type);
        v[n] = read_element(call.value, at, type);
        w[n] = head.decay(call, first + m, n);
        dy[n] = read_element(call.grad_out, at, type);
        __syncthreads();
        // A thread reads only the rows of key n, which it wrote itself.
        d = wkv_backward_step<N>(of_value, of_key, states + m * area + n * N, n, r, k, v, w, u, dy);
      }
      write_element(call.grad_receptance, at, d.r, type);
      write_element(call.grad_key, at, d.k, type);
      write_element(call.grad_value, at, d.v, type);
      if (!call.constant_decay) call.grad_decay[at] = d.w;
      dw += d.w;
      du += d.u;
      if (mark & RMKV_CUDA_RESET) {
        for (int i = 0; i < N; ++i) {
          if (call.grad_reset) call.grad_reset[item * area + i * N + n] += of_value[i];
          of_value[i] = of_key[i] = 0;
        }
      }
    }
  }
  if (call.constant_decay) call.grad_decay[item * N + n] = dw;
  call.grad_bonus[item * N + n] = du;
  for (int i = 0; i < N; ++i) call.grad_initial[item * area + i * N + n] = of_value[i];
}

}  // namespace

int32_t wkv_forward(const rmkv_cuda_wkv* call, void* stream) {
  return launch_heads(*call, [&](auto* type, auto size, unsigned blocks) {
    using T = std::remove_pointer_t<decltype(type)>;
    constexpr int N = decltype(size)::value;
    forward_kernel<T, N><<<blocks, N, 0, static_cast<cudaStream_t>(stream)>>>(*call);
  });
}

int32_t wkv_backward(const rmkv_cuda_wkv* call, void* stream) {
  return launch_heads(*call, [&](auto* type, auto size, unsigned blocks) {
    using T = std::remove_pointer_t<decltype(type)>;
    constexpr int N = decltype(size)::value;
    backward_kernel<T, N><<<blocks, N, 0, static_cast<cudaStream_t>(stream)>>>(*call);
  });
}

}  // namespace rmkv::cuda
