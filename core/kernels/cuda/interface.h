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
#define RMKV_CUDA_VERSION 3

/* Element types of the pointers marked `void*`. */
enum { RMKV_CUDA_FP32 = 0, RMKV_CUDA_BF16 = 1 };

/* How the moments of AdamW are kept: fp32, bf16, or 8-bit codes with a scale for each 256. */
enum { RMKV_CUDA_MOMENTS_FULL = 0, RMKV_CUDA_MOMENTS_BF16 = 1, RMKV_CUDA_MOMENTS_8BIT = 2 };

/* Bits of a token's mark: the lane forgets before it; it is padding. */
enum { RMKV_CUDA_RESET = 1, RMKV_CUDA_SKIP = 2 };
/* Tokens between two kept states of the recurrences. */
enum { RMKV_CUDA_WKV_CHUNK = 16 };

/* One call of a matrix-state recurrence (core/kernels/wkv.h).  Rows are dtype [B, T, H, N]; N is
 * 16, 32 or 64; C = (T + 15) / 16 chunks.  RWKV-5 and 6 leave removal and replacement null, RWKV-7
 * bonus; states are [key, value] and [value, key].  Pointers of the direction not called are
 * ignored. */
struct rmkv_cuda_wkv {
  int64_t B, T, H, N;
  int32_t dtype;
  int32_t constant_decay; /* RWKV-5: decay and grad_decay have no B and T */
  const void *receptance, *key, *value, *removal, *replacement;
  const float* decay;   /* [B, T, H, N] or [H, N] */
  const float* bonus;   /* [H, N] */
  const float* initial; /* [B, H, N, N] */
  const float* reset;   /* [H, N, N] or null */
  const uint8_t* marks; /* [B, T] or null */
  /* forward */
  void* out;
  float* final; /* [B, H, N, N] */
  float* kept;  /* [B, H, C, N, N], or null without a backward */
  /* backward */
  const void* grad_out;
  const float* grad_final; /* [B, H, N, N] or null */
  void *grad_receptance, *grad_key, *grad_value, *grad_removal, *grad_replacement;
  float* grad_decay;   /* [B, T, H, N], or [B, H, N] when constant */
  float* grad_bonus;   /* [B, H, N] */
  float* grad_initial; /* [B, H, N, N] */
  float* grad_reset;   /* [B, H, N, N] or null with reset */
  float* scratch;      /* [B, H, 17, N, N] */
};

/* One call of RWKV-4's recurrence.  Rows are dtype [B, T, H]: H is the number of channels. */
struct rmkv_cuda_wkv4 {
  int64_t B, T, H;
  int32_t dtype;
  const void *key, *value;
  const float *decay, *bonus; /* [H] */
  const float* initial;       /* [B, 3, H]: numerator, denominator, exponent */
  const uint8_t* marks;       /* [B, T] or null */
  void* out;
  float* final; /* [B, 3, H]; read by the backward */
  float* kept;  /* [B, C, 3, H], or null without a backward */
  const void* grad_out;
  const float* grad_final; /* [B, 3, H] or null */
  void *grad_key, *grad_value;
  float *grad_decay, *grad_bonus; /* [B, H] */
  float* grad_initial;            /* [B, 3, H] */
};

/* One AdamW update of a parameter (core/kernels/adamw.h); n = count. */
struct rmkv_cuda_adamw {
  int64_t count;
  float* value;                      /* [n] */
  const float* gradient;             /* [n] */
  void* copy;                        /* bf16 [n], written with the value, or null */
  void *first, *second;              /* [n], fp32, bf16 or codes as `state` says */
  float *first_scale, *second_scale; /* [ceil(n / 256)], 8 bits only */
  int32_t state;
  uint32_t index; /* of the parameter: stream of the rounding noise */
  double lr, beta1, beta2, eps, weight_decay;
  const float* updates; /* [1]: updates made before */
  const float* divisor; /* [1]: of the gradient, or null */
  const float* skip;    /* [1]: not 0 leaves everything as it is, or null */
};

struct rmkv_cuda_kernels {
  int32_t version; /* RMKV_CUDA_VERSION of the library */

  /* SwiGLU: out[n, f] = silu(gate[n, f]) * up[n, f], where gate = in[n, 0..F) and up = in[n,
   * F..2F). in: dtype [N, 2F]; out: dtype [N, F].  Arithmetic in fp32. */
  int32_t (*swiglu_forward)(const void* in, void* out, int64_t N, int64_t F, int32_t dtype,
                            void* stream);

  /* Its gradient: grad_in [N, 2F] from in [N, 2F] and grad_out [N, F], all of one dtype. */
  int32_t (*swiglu_backward)(const void* in, const void* grad_out, void* grad_in, int64_t N,
                             int64_t F, int32_t dtype, void* stream);

  int32_t (*wkv4_forward)(const struct rmkv_cuda_wkv4* call, void* stream);
  int32_t (*wkv4_backward)(const struct rmkv_cuda_wkv4* call, void* stream);
  int32_t (*wkv_forward)(const struct rmkv_cuda_wkv* call, void* stream);
  int32_t (*wkv_backward)(const struct rmkv_cuda_wkv* call, void* stream);
  int32_t (*wkv7_forward)(const struct rmkv_cuda_wkv* call, void* stream);
  int32_t (*wkv7_backward)(const struct rmkv_cuda_wkv* call, void* stream);

  int32_t (*adamw)(const struct rmkv_cuda_adamw* call, void* stream);

  /* The name of a cudaError_t, for messages. */
  const char* (*error_name)(int32_t error);
};

/* The one exported symbol. */
const struct rmkv_cuda_kernels* rmkv_cuda_get_kernels(void);

#ifdef __cplusplus
}
#endif
#endif
