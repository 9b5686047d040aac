// The recurrence of RWKV-7: one block per lane and head, one thread per channel; the
// arithmetic is in wkv_math.h.  Backward computes the states of a chunk again into scratch.
#include <type_traits>

#include "core/kernels/cuda/wkv.cuh"
#include "core/kernels/cuda/wkv_math.h"

namespace rmkv::cuda {
namespace {

template <typename T, int N>
__global__ void forward_kernel(rmkv_cuda_wkv call) {
  __shared__ float r[N], w[N], k[N], z[N], b[N];
  const Head head(call);
  const int n = threadIdx.x;
  const int64_t area = N * N, item = blockIdx.x, chunks = (call.T + kWkvChunk - 1) / kWkvChunk;
  const T* type = nullptr;
  float S[N];  // S[n][j]
  for (int j = 0; j < N; ++j) S[j] = call.initial[item * area + n * N + j];
  for (int64_t t = 0; t < call.T; ++t) {
    if (call.kept && t % kWkvChunk == 0) {
      float* kept = call.kept + (item * chunks + t / kWkvChunk) * area;
      for (int j = 0; j < N; ++j) kept[n * N + j] = S[j];
    }
    const int mark = head.mark(call, t);
    const int64_t at = head.row(call, t, n);
    if (mark & RMKV_CUDA_RESET) {
      for (int j = 0; j < N; ++j) S[j] = call.reset ? call.reset[head.h * area + n * N + j] : 0;
    }
    if (mark & RMKV_CUDA_SKIP) {  // the same for the whole block
      write_element(call.out, at, 0, type);
      continue;
    }
    __syncthreads();
    r[n] = read_element(call.receptance, at, type);
    w[n] = call.decay[at];
    k[n] = read_element(call.key, at, type);
    z[n] = read_element(call.removal, at, type);
    b[n] = read_element(call.replacement, at, type);
    __syncthreads();
    const float v = read_element(call.value, at, type);
    write_element(call.out, at, wkv7_forward_step<N>(S, r, w, k, z, b, v).y, type);
  }
  for (int j = 0; j < N; ++j) call.final[item * area + n * N + j] = S[j];
}

template <typename T, int N>
__global__ void backward_kernel(rmkv_cuda_wkv call) {
  __shared__ float r[N], w[N], k[N], v[N], z[N], b[N], dy[N], reads[N], d_reads[N];
  __shared__ float chunk_reads[kWkvChunk][N];
  const Head head(call);
  const int n = threadIdx.x;
  const int64_t area = N * N, item = blockIdx.x, chunks = (call.T + kWkvChunk - 1) / kWkvChunk;
  const T* type = nullptr;
  // States before the tokens of a chunk, [value, key]; in the last place the one after the token at
  // hand.
  float* states = call.scratch + item * (kWkvChunk + 1) * area;
  float of_value[N], of_key[N], S[N];
  for (int i = 0; i < N; ++i) {
    of_value[i] = call.grad_final ? call.grad_final[item * area + n * N + i] : 0;
    of_key[i] = call.grad_final ? call.grad_final[item * area + i * N + n] : 0;
    if (call.grad_reset) call.grad_reset[item * area + n * N + i] = 0;
  }
  const auto load_rows = [&](int64_t at) {
    __syncthreads();
    r[n] = read_element(call.receptance, at, type);
    w[n] = call.decay[at];
    k[n] = read_element(call.key, at, type);
    v[n] = read_element(call.value, at, type);
    z[n] = read_element(call.removal, at, type);
    b[n] = read_element(call.replacement, at, type);
    dy[n] = read_element(call.grad_out, at, type);
    __syncthreads();
  };
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const int64_t first = chunk * kWkvChunk;
    const int count = static_cast<int>(call.T - first < kWkvChunk ? call.T - first : kWkvChunk);
    for (int j = 0; j < N; ++j) S[j] = call.kept[(item * chunks + chunk) * area + n * N + j];
    for (int m = 0; m < count; ++m) {
      const int mark = head.mark(call, first + m);
      if (mark & RMKV_CUDA_RESET) {
        for (int j = 0; j < N; ++j) S[j] = call.reset ? call.reset[head.h * area + n * N + j] : 0;
      }
      for (int j = 0; j < N; ++j) states[m * area + n * N + j] = S[j];
      if (mark & RMKV_CUDA_SKIP) continue;
      load_rows(head.row(call, first + m, n));
      chunk_reads[m][n] = wkv7_forward_step<N>(S, r, w, k, z, b, v[n]).read;
    }
    for (int m = count - 1; m >= 0; --m) {
      const int mark = head.mark(call, first + m);
      const int64_t at = head.row(call, first + m, n);
      Wkv7ThreadGradient d = {0, 0, 0, 0, 0, 0, 0};
      if (!(mark & RMKV_CUDA_SKIP)) {
        load_rows(at);
        // The state after the token, from the one before: threads need all its rows.
        for (int j = 0; j < N; ++j) S[j] = states[m * area + n * N + j];
        wkv7_forward_step<N>(S, r, w, k, z, b, v[n]);
        float* after = states + kWkvChunk * area;
        for (int j = 0; j < N; ++j) after[n * N + j] = S[j];
        reads[n] = chunk_reads[m][n];
        __syncthreads();
        const float* before = states + m * area + n;
        d = wkv7_backward_first<N>(of_value, of_key, before, after + n, N, n, r, k, v, b, dy,
                                   reads);
        d_reads[n] = d.read;
        __syncthreads();
        d.z = wkv7_backward_second<N>(of_value, of_key, before, N, n, w, z, d_reads);
        __syncthreads();
      }
      write_element(call.grad_receptance, at, d.r, type);
      call.grad_decay[at] = d.w;
      write_element(call.grad_key, at, d.k, type);
      write_element(call.grad_value, at, d.v, type);
      write_element(call.grad_removal, at, d.z, type);
      write_element(call.grad_replacement, at, d.b, type);
      if (mark & RMKV_CUDA_RESET) {
        for (int j = 0; j < N; ++j) {
          if (call.grad_reset) call.grad_reset[item * area + n * N + j] += of_value[j];
          of_value[j] = of_key[j] = 0;
        }
      }
    }
    __syncthreads();
  }
  for (int j = 0; j < N; ++j) call.grad_initial[item * area + n * N + j] = of_value[j];
}

}  // namespace

int32_t wkv7_forward(const rmkv_cuda_wkv* call, void* stream) {
  return launch_heads(*call, [&](auto* type, auto size, unsigned blocks) {
    using T = std::remove_pointer_t<decltype(type)>;
    constexpr int N = decltype(size)::value;
    forward_kernel<T, N><<<blocks, N, 0, static_cast<cudaStream_t>(stream)>>>(*call);
  });
}

int32_t wkv7_backward(const rmkv_cuda_wkv* call, void* stream) {
  return launch_heads(*call, [&](auto* type, auto size, unsigned blocks) {
    using T = std::remove_pointer_t<decltype(type)>;
    constexpr int N = decltype(size)::value;
    backward_kernel<T, N><<<blocks, N, 0, static_cast<cudaStream_t>(stream)>>>(*call);
  });
}

}  // namespace rmkv::cuda
