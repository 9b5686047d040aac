// The heavy LibTorch headers, in one place: precompiled, included by .cpp files only.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/variable.h>

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/tensor/tensor.h"
