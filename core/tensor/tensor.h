// The light tensor header: the tensor type, dtypes and devices by name.
//
// Headers include this; only .cpp files include "core/tensor/torch.h", which is heavy and
// precompiled.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rmkv {

using at::Tensor;

// "fp32", "bf16", "fp16", "fp64", "int64", "int32", "uint8", "bool"; an unknown name throws with
// the list.
at::ScalarType parse_dtype(const std::string& name);
std::string dtype_name(at::ScalarType dtype);

// "cpu", "cuda", "cuda:1".  Asking for cuda opens the CUDA libraries; where that fails the Error
// says why.
at::Device parse_device(const std::string& name);
std::string device_name(const at::Device& device);

// "[4, 128, 256]" and "fp32 [4, 128, 256] cpu", for messages.
std::string shape_text(const at::IntArrayRef& shape);
std::string tensor_text(const Tensor& tensor);

// Throws "where: got fp32 [3, 4], expected [B, T=4, C=8]" when the shape differs; -1 accepts any
// size.
void check_shape(const Tensor& tensor, const std::string& where, std::vector<int64_t> expected,
                 const std::string& letters);

// Arithmetic threads of LibTorch (one pool, set once at start).
void set_thread_count(int64_t threads);
int64_t thread_count();

// In its life LibTorch computes on the calling thread alone.  For small work between the jobs of a
// ThreadTeam: after each of its loops LibTorch's threads spin for milliseconds, on cores that the
// team wants.
class SerialScope {
 public:
  SerialScope() : before_(thread_count()) {
    if (before_ > 1) set_thread_count(1);
  }
  ~SerialScope() {
    if (before_ > 1) set_thread_count(before_);
  }
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  const int64_t before_;
};

// Lets the C allocator keep freed memory (no mmap for large blocks, no trimming): an eager training
// step frees and takes the same large blocks over and over.  Called once at program start, before
// the first tensor. Measured gain of a training step: 15-47 %.
void tune_allocator();

}  // namespace rmkv
