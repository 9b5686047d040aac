// One AdamW update of many parameters in a single pass: gradient, clip factor, moments, value and,
// where there is one, the bf16 working copy.
//
// CPU fp32 and CUDA fp32 have fused kernels; fp64 (tests) and GPUs without our library take a
// composition of LibTorch operations.  The arithmetic and the 8-bit codes are in adamw_math.h.
// Not here: which parameters, whose rates (core/optim/adamw.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/kernels/adamw_math.h"
#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// How moments are kept: in the parameters' dtype, in bf16, or in 8 bits with a scale per block.
enum class MomentState : uint8_t { kFull, kBf16, k8Bit };

// The moments of one parameter of N elements, contiguous.
struct Moments {
  MomentState state = MomentState::kFull;
  Tensor first, second;              // dtype of the state, the parameter's shape
  Tensor first_scale, second_scale;  // fp32 [ceil(N / 256)]; undefined but for 8 bits
};

// Zeros for a parameter of this shape, dtype and device.
Moments zero_moments(const Tensor& value, MomentState state);
// Bytes that zero_moments takes for `elements` of `element_bytes` each; nothing is allocated.
int64_t moment_bytes(int64_t elements, int64_t element_bytes, MomentState state);
// Both moments in fp32 (fp64 where `dtype` is that), the parameter's shape.
std::pair<Tensor, Tensor> wide_moments(const Moments& moments, at::ScalarType dtype);
// Puts moments of any float dtype into the form of `to`, rounded to the nearest.
void put_moments(const Tensor& first, const Tensor& second, Moments& to);

struct AdamwTarget {
  Tensor value;     // fp32 (fp64), contiguous
  Tensor gradient;  // likewise
  Tensor copy;      // bf16, contiguous, written with the value; or undefined
  Moments moments;
  uint32_t index = 0;  // of the parameter: what its rounding noise is drawn from
};

// What decides on the device how the update goes: fp32 with one element each; divisor and skip may
// be undefined (1 and 0).
struct AdamwControl {
  Tensor updates;  // made before this one
  Tensor divisor;  // of the gradients
  Tensor skip;     // 1: everything stays as it is
};

// Updates every target.  The same bits for any thread count.
void adamw(const std::vector<AdamwTarget>& targets, const adamw::Rates& rates,
           const AdamwControl& control);

namespace reference {
// The same as LibTorch operations; rounds narrow moments to the nearest.
void adamw(const AdamwTarget& target, const ::rmkv::adamw::Rates& rates,
           const AdamwControl& control);
}  // namespace reference

}  // namespace rmkv::kernels
