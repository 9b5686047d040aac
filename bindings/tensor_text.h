// A tensor as text: one line of facts, then a few corners.
#pragma once

#include <string>

#include "core/tensor/tensor.h"

namespace rmkv::lua {

// "Tensor fp32 [2, 3] cpu  min -1  mean 0.2  max 3  nan 1"
std::string tensor_line(const Tensor& tensor);
// The line, then the values; of long dimensions only both ends.  Lines are at most `width` columns.
std::string tensor_full(const Tensor& tensor, size_t width);

}  // namespace rmkv::lua
