// See thread_team.h.
#include "core/kernels/cpu/thread_team.h"

#include <algorithm>

namespace rmkv::kernels::cpu {
namespace {

// About 50 us of spinning: longer than the steps between two barriers differ, shorter than what a
// sleeping machine would notice.
constexpr int kSpins = 1000;

// Weights that a thread reads from its cache in a few microseconds, many times what a barrier
// costs.
constexpr int64_t kShareBytes = 256 << 10;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(int size)
    : size_(std::max(size, 1)), helpers_(static_cast<size_t>(size_ - 1)) {
  for (int thread = 1; thread < size_; ++thread) {
    helpers_[static_cast<size_t>(thread - 1)].thread =
        std::thread([this, thread] { work(thread); });
  }
}

ThreadTeam::~ThreadTeam() {
  stop_.store(true, std::memory_order_relaxed);
  for (Helper& helper : helpers_) begin(helper);
  for (Helper& helper : helpers_) helper.thread.join();
}

int ThreadTeam::worth(int64_t bytes, int64_t steps, int most) {
  const int64_t share = bytes / std::max<int64_t>(steps * kShareBytes, 1);
  return static_cast<int>(std::clamp<int64_t>(share, 1, std::max(most, 1)));
}

void ThreadTeam::begin(Helper& helper) {
  helper.jobs.fetch_add(1, std::memory_order_release);
  helper.jobs.notify_one();
}

void ThreadTeam::start(int threads, Call call, const void* target) {
  active_ = static_cast<uint32_t>(std::clamp(threads, 1, size_));
  if (active_ == 1) {
    call(target, 0);
    return;
  }
  call_ = call;
  target_ = target;
  for (uint32_t i = 0; i + 1 < active_; ++i) begin(helpers_[i]);
  call(target, 0);
  barrier();
}

void ThreadTeam::barrier() {
  if (active_ == 1) return;
  const uint32_t pass = passes_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == active_) {
    arrived_.store(0, std::memory_order_relaxed);
    passes_.store(pass + 1, std::memory_order_release);
    passes_.notify_all();
  } else {
    wait_for_change(passes_, pass);
  }
}

void ThreadTeam::work(int thread) {
  Helper& own = helpers_[static_cast<size_t>(thread - 1)];
  uint32_t seen = 0;
  while (true) {
    wait_for_change(own.jobs, seen);
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    call_(target_, thread);
    barrier();
  }
}

}  // namespace rmkv::kernels::cpu
