// What this machine can do right now: the rate at which memory is read and the arithmetic peak,
// measured.
//
// Bounds of a benchmark have to come from the same run as its figures: clouds lend other processors
// from day to day and share them.  Not for deciding anything while computing.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// Bytes a second read from memory by `threads` threads, each through `megabytes` of its own on huge
// pages; the best of a few passes.
double read_bandwidth(int threads, int64_t megabytes = 192);

// Multiplications and additions a second of all threads together: of fp32, of bf16 pairs and of
// bytes in dot products (the last two as fp32 where the machine lacks them).
struct ArithmeticPeak {
  double fp32 = 0, bf16 = 0, int8 = 0;
};
ArithmeticPeak arithmetic_peak(int threads);

}  // namespace rmkv::kernels::cpu
