// Initial values of the RWKV family, as its authors train it.
//
// A function of (seed, name), so neither the order of declaration nor other options change them.
// RWKV-LM's training code, which for version 7 differs from its README; rwkv-family.md, section
// 1.8.
#pragma once

#include <cstdint>

#include "core/models/rwkv/rwkv_config.h"
#include "core/tensor/parameters.h"

namespace rmkv {

// fp64 on the CPU, in the parameter's shape.
Tensor rwkv_initial_value(const RwkvConfig& config, const RwkvParameter& parameter, uint64_t seed);

// The optimiser group: weight decay for *.weight of two dimensions, twice the learning rate
// ("gate") for the decay (w0, time_decay), neither for the rest.
ParameterGroup rwkv_parameter_group(const RwkvParameter& parameter);

}  // namespace rmkv
