// See machine_probe.h.
#include "core/kernels/cpu/machine_probe.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/base/clock.h"
#include "core/kernels/cpu/packed_block.h"
#include "core/kernels/cpu/thread_team.h"
#include "core/kernels/cpu/weight_arena.h"

namespace rmkv::kernels::cpu {
namespace {

constexpr int kPasses = 5;
// Results go here, so that no loop is dropped.
thread_local volatile float sink;

void read_all(const uint8_t* data, int64_t bytes) {
  // Four streams: one alone does not keep all of a core's outstanding reads busy.
  const int64_t part = bytes / 4 / 128 * 128;
  std::array<Floats, 8> sums{};
  for (int64_t at = 0; at < part; at += 128) {
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; ++s) {
      const auto* p = reinterpret_cast<const float*>(data + static_cast<int64_t>(s) * part + at);
      sums[2 * s] += load(p);
      sums[2 * s + 1] += load(p + kLanes);
    }
  }
  Floats total{};
  for (const Floats& sum : sums) total += sum;
  sink = sum_lanes(total);
}

// The fastest of a few runs of `job` by a team, in seconds.
template <typename Job>
double fastest(ThreadTeam& team, const Job& job) {
  double best = 1e30;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double started = monotonic_seconds();
    team.run(job);
    best = std::min(best, monotonic_seconds() - started);
  }
  return best;
}

constexpr int kChains = 12;  // hides the latency of an instruction
constexpr int64_t kSteps = 1'000'000;

template <typename Sum, typename Step>
void spin(Sum start, const Step& step) {
  Sum sums[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) {
    sums[c] = start;
    sums[c][0] = static_cast<decltype(start[0] + 0)>(c);  // equal chains would become one
  }
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = step(sums[c]);
  }
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sink = static_cast<float>(sums[c][0]);
}

}  // namespace

double read_bandwidth(int threads, int64_t megabytes) {
  ThreadTeam team(threads);
  WeightArena arena;
  const int64_t bytes = std::max<int64_t>(1, megabytes) << 20;
  std::vector<uint8_t*> data;
  for (int t = 0; t < team.size(); ++t) data.push_back(arena.allocate(bytes));
  // Touched by its reader first, and not zero: a page of zeros might be shared.
  team.run([&](int t) { std::fill_n(data[static_cast<size_t>(t)], bytes, uint8_t{1}); });
  const auto job = [&](int t) { read_all(data[static_cast<size_t>(t)], bytes); };
  return static_cast<double>(bytes) * team.size() / fastest(team, job);
}

ArithmeticPeak arithmetic_peak(int threads) {
  ThreadTeam team(threads);
  const double lanes = static_cast<double>(kSteps) * kChains * kLanes * team.size();
  ArithmeticPeak peak;
  const Floats near_one = broadcast(1.0000001f);
  peak.fp32 = 2 * lanes / fastest(team, [&](int) {
                spin(Floats{}, [&](Floats sum) { return fused(near_one, near_one, sum); });
              });
  peak.bf16 = peak.int8 = peak.fp32;
#if defined(__AVX512BF16__)
  const auto pairs = (__m512bh)near_one;
  peak.bf16 = 4 * lanes / fastest(team, [&](int) {
                spin(Floats{}, [&](Floats sum) {
                  return (Floats)_mm512_dpbf16_ps((__m512)sum, pairs, pairs);
                });
              });
#endif
#if defined(__AVX512VNNI__)
  const auto bytes = (__m512i)near_one;
  peak.int8 = 8 * lanes / fastest(team, [&](int) {
                spin(Ints{}, [&](Ints sum) {
                  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, bytes, bytes);
                });
              });
#endif
  return peak;
}

}  // namespace rmkv::kernels::cpu
