// The methods of Tensor, by file.
#pragma once

#include <vector>

#include "bindings/descriptor.h"

namespace rmkv::lua {

void add_shape_operations(std::vector<Function>& functions);  // facts, conversion, other shapes
void add_index_operations(
    std::vector<Function>& functions);                       // parts by position, writing into them
void add_math_operations(std::vector<Function>& functions);  // element by element
void add_reduce_operations(std::vector<Function>& functions);  // sums, extremes, sorting
void add_linear_operations(
    std::vector<Function>& functions);  // products, decompositions, softmax, sampling

}  // namespace rmkv::lua
