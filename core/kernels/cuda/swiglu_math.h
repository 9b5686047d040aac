// The arithmetic of one SwiGLU element in fp32, the same on host and device, so that a test without
// a GPU checks what the kernel computes.  Shazeer, "GLU Variants Improve Transformer" (2020),
// section 2.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define RMKV_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define RMKV_HOST_DEVICE inline
#endif

namespace rmkv::cuda {

// exp(-x) overflows to infinity for very negative x and the quotient is then 0, as it should be.
RMKV_HOST_DEVICE float sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

RMKV_HOST_DEVICE float swiglu(float gate, float up) {
  return gate * sigmoid(gate) * up;
}

struct SwigluGradient {
  float gate;
  float up;
};

// d swiglu / d gate = up (s + gate s (1 - s)), d swiglu / d up = gate s, with s = sigmoid(gate).
RMKV_HOST_DEVICE SwigluGradient swiglu_gradient(float gate, float up, float grad_out) {
  const float s = sigmoid(gate);
  return {grad_out * up * s * (1.0f + gate * (1.0f - s)), grad_out * gate * s};
}

}  // namespace rmkv::cuda
