// RWKV-4's recurrence: one thread per lane and channel; the arithmetic is in wkv_math.h.
#include <type_traits>

#include "core/kernels/cuda/wkv.cuh"
#include "core/kernels/cuda/wkv_math.h"

namespace rmkv::cuda {
namespace {

constexpr int kThreads = 64;  // few, so that small models fill more multiprocessors

struct Place {
  int64_t b, c;
};
__device__ __forceinline__ bool place_of(const rmkv_cuda_wkv4& call, Place& place) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  place = {i / call.H, i % call.H};
  return i < call.B * call.H;
}

// Element c of the three vectors of a state.
__device__ __forceinline__ Wkv4State load_state(const float* state, int64_t C, int64_t c) {
  return {state[c], state[C + c], state[2 * C + c]};
}
__device__ __forceinline__ void save_state(float* state, int64_t C, int64_t c, const Wkv4State& s) {
  state[c] = s.a;
  state[C + c] = s.b;
  state[2 * C + c] = s.p;
}

template <typename T>
__global__ void forward_kernel(rmkv_cuda_wkv4 call) {
  Place place;
  if (!place_of(call, place)) return;
  const int64_t C = call.H, chunks = (call.T + kWkvChunk - 1) / kWkvChunk;
  const float w = call.decay[place.c], u = call.bonus[place.c];
  const T* type = nullptr;
  Wkv4State s = load_state(call.initial + place.b * 3 * C, C, place.c);
  for (int64_t t = 0; t < call.T; ++t) {
    if (call.kept && t % kWkvChunk == 0) {
      save_state(call.kept + (place.b * chunks + t / kWkvChunk) * 3 * C, C, place.c, s);
    }
    const int mark = call.marks ? call.marks[place.b * call.T + t] : 0;
    const int64_t at = (place.b * call.T + t) * C + place.c;
    if (mark & RMKV_CUDA_RESET) s = {0, 0, kWkv4Empty};
    if (mark & RMKV_CUDA_SKIP) {
      write_element(call.out, at, 0, type);
      continue;
    }
    const float k = read_element(call.key, at, type), v = read_element(call.value, at, type);
    write_element(call.out, at, wkv4_output(s, u, k, v), type);
    s = wkv4_advance(s, w, k, v);
  }
  save_state(call.final + place.b * 3 * C, C, place.c, s);
}

template <typename T>
__global__ void backward_kernel(rmkv_cuda_wkv4 call) {
  Place place;
  if (!place_of(call, place)) return;
  const int64_t C = call.H, chunks = (call.T + kWkvChunk - 1) / kWkvChunk;
  const float w = call.decay[place.c], u = call.bonus[place.c];
  const T* type = nullptr;
  Wkv4Reverse d = {0, 0, 0, 0, 0};
  if (call.grad_final) {
    const Wkv4State last = load_state(call.final + place.b * 3 * C, C, place.c);
    const Wkv4State g = load_state(call.grad_final + place.b * 3 * C, C, place.c);
    d.a = g.a;
    d.b = g.b;
    d.exponent = g.p - last.a * g.a - last.b * g.b;
  }
  Wkv4State states[kWkvChunk];
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const int64_t first = chunk * kWkvChunk;
    const int count = static_cast<int>(call.T - first < kWkvChunk ? call.T - first : kWkvChunk);
    Wkv4State s = load_state(call.kept + (place.b * chunks + chunk) * 3 * C, C, place.c);
    for (int n = 0; n < count; ++n) {
      const int mark = call.marks ? call.marks[place.b * call.T + first + n] : 0;
      if (mark & RMKV_CUDA_RESET) s = {0, 0, kWkv4Empty};
      states[n] = s;
      if (mark & RMKV_CUDA_SKIP) continue;
      const int64_t at = (place.b * call.T + first + n) * C + place.c;
      s = wkv4_advance(s, w, read_element(call.key, at, type), read_element(call.value, at, type));
    }
    for (int n = count - 1; n >= 0; --n) {
      const int mark = call.marks ? call.marks[place.b * call.T + first + n] : 0;
      const int64_t at = (place.b * call.T + first + n) * C + place.c;
      Wkv4TokenGradient token = {0, 0};
      if (!(mark & RMKV_CUDA_SKIP)) {
        token = wkv4_backward_step(states[n], w, u, read_element(call.key, at, type),
                                   read_element(call.value, at, type),
                                   read_element(call.grad_out, at, type), d);
      }
      write_element(call.grad_key, at, token.k, type);
      write_element(call.grad_value, at, token.v, type);
      if (mark & RMKV_CUDA_RESET) d.a = d.b = d.exponent = 0;
    }
  }
  call.grad_decay[place.b * C + place.c] = d.w;
  call.grad_bonus[place.b * C + place.c] = d.u;
  const Wkv4State start = load_state(call.initial + place.b * 3 * C, C, place.c);
  save_state(call.grad_initial + place.b * 3 * C, C, place.c,
             {d.a, d.b, d.exponent + start.a * d.a + start.b * d.b});
}

// Calls launch(null pointer of the element type, blocks).
template <typename Launch>
int32_t launch_channels(const rmkv_cuda_wkv4& call, const Launch& launch) {
  if (call.B <= 0 || call.T <= 0 || call.H <= 0) return cudaErrorInvalidValue;
  const auto blocks = static_cast<unsigned>((call.B * call.H + kThreads - 1) / kThreads);
  return with_element_type(call.dtype, [&](auto* type) { launch(type, blocks); });
}

}  // namespace

int32_t wkv4_forward(const rmkv_cuda_wkv4* call, void* stream) {
  return launch_channels(*call, [&](auto* type, unsigned blocks) {
    using T = std::remove_pointer_t<decltype(type)>;
    forward_kernel<T><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(*call);
  });
}

int32_t wkv4_backward(const rmkv_cuda_wkv4* call, void* stream) {
  return launch_channels(*call, [&](auto* type, unsigned blocks) {
    using T = std::remove_pointer_t<decltype(type)>;
    backward_kernel<T><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(*call);
  });
}

}  // namespace rmkv::cuda
