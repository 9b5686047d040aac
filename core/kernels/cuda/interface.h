/* The C interface of librmkv_cuda.so: what our CUDA kernels offer to the program.
 *
 * No LibTorch, no C++: the library is compiled by nvcc without torch headers and opened at run
 * time, so neither side depends on the other's compiler or version.  Every pointer is device
 * memory, contiguous, row-major; `stream` is a cudaStream_t.  Functions only launch: they return a
 * cudaError_t (0 is success) and do not wait. */
#ifndef RMKV_CORE_KERNELS_CUDA_INTERFACE_H_
#define RMKV_CORE_KERNELS_CUDA_INTERFACE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever the table below changes; a library of another version is not used. */
#define RMKV_CUDA_VERSION 1

/* Element types of the pointers marked `void*`. */
enum { RMKV_CUDA_FP32 = 0, RMKV_CUDA_BF16 = 1 };

struct rmkv_cuda_kernels {
  int32_t version; /* RMKV_CUDA_VERSION of the library */

  /* SwiGLU: out[n, f] = silu(gate[n, f]) * up[n, f], where gate = in[n, 0..F) and up = in[n,
   * F..2F). in: dtype [N, 2F]; out: dtype [N, F].  Arithmetic in fp32. */
  int32_t (*swiglu_forward)(const void* in, void* out, int64_t N, int64_t F, int32_t dtype,
                            void* stream);

  /* Its gradient: grad_in [N, 2F] from in [N, 2F] and grad_out [N, F], all of one dtype. */
  int32_t (*swiglu_backward)(const void* in, const void* grad_out, void* grad_in, int64_t N,
                             int64_t F, int32_t dtype, void* stream);

  /* The name of a cudaError_t, for messages. */
  const char* (*error_name)(int32_t error);
};

/* The one exported symbol. */
const struct rmkv_cuda_kernels* rmkv_cuda_get_kernels(void);

#ifdef __cplusplus
}
#endif
#endif
