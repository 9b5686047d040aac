// Tensors as arguments and results of bound functions.
//
// Dimensions and positions count from 1 in Lua, negative ones from the end; here they become
// zero-based.  Tensors in Lua never carry an autograd graph.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bindings/bind.h"
#include "core/tensor/tensor.h"

namespace rmkv::lua {

template <>
const Class& class_of<Tensor>();

const Tensor& tensor_arg(const Call& c, int index);
// A tensor, or a number as a scalar of the dtype and device of `like`.
Tensor tensor_or_number(const Call& c, int index, const Tensor& like);
// A dimension of a tensor of `rank`, zero-based.
int64_t dimension_arg(const Call& c, int index, int64_t rank);
// A position within `size`, zero-based.
int64_t position_arg(const Call& c, int index, int64_t size);
// int64 positions as a zero-based tensor: a list, a number or an int64 tensor.  Checked against
// `size`.
Tensor positions_arg(const Call& c, int index, int64_t size);
// Token ids, raw: a list, a list of lists of equal length, or an integer tensor; int64 [B, T].
Tensor tokens_arg(const Call& c, int index);
// { dtype = "fp32", device = "cpu" } with defaults.
at::TensorOptions tensor_options(const Table& options);
at::ScalarType dtype_option(const Table& options, const char* key, at::ScalarType fallback);
at::Device device_option(const Table& options);
// A number, boolean or nested list as a tensor: fp32, bool or as given.
Tensor tensor_from(const Call& c, int index, const Table& options);

int push_tensor(const Call& c, const Tensor& tensor);
// A tensor of one element as a Lua number or boolean.
int push_scalar(const Call& c, const Tensor& tensor);
// Nested Lua lists of numbers or booleans; a number for rank 0.
int push_nested(const Call& c, const Tensor& tensor);
// { name = Tensor } in both directions.
int push_tensors(const Call& c, const std::map<std::string, Tensor>& tensors);
std::map<std::string, Tensor> tensors_arg(const Call& c, int index);

}  // namespace rmkv::lua
