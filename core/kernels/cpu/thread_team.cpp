// See thread_team.h.
#include "core/kernels/cpu/thread_team.h"

#include <algorithm>

namespace rmkv::kernels::cpu {
namespace {

// About 50 us of spinning: longer than the steps between two barriers differ, shorter than what a
// sleeping machine would notice.
constexpr int kSpins = 1000;

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

ThreadTeam::ThreadTeam(int size) : size_(std::max(size, 1)) {
  for (int thread = 1; thread < size_; ++thread) {
    threads_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadTeam::~ThreadTeam() {
  stop_.store(true, std::memory_order_relaxed);
  jobs_.fetch_add(1, std::memory_order_release);
  jobs_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::start(Call call, const void* target) {
  if (size_ == 1) {
    call(target, 0);
    return;
  }
  call_ = call;
  target_ = target;
  jobs_.fetch_add(1, std::memory_order_release);
  jobs_.notify_all();
  call(target, 0);
  barrier();
}

void ThreadTeam::barrier() {
  if (size_ == 1) return;
  const uint32_t pass = passes_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(size_)) {
    arrived_.store(0, std::memory_order_relaxed);
    passes_.store(pass + 1, std::memory_order_release);
    passes_.notify_all();
  } else {
    wait_for_change(passes_, pass);
  }
}

void ThreadTeam::work(int thread) {
  uint32_t seen = 0;
  while (true) {
    wait_for_change(jobs_, seen);
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    call_(target_, thread);
    barrier();
  }
}

}  // namespace rmkv::kernels::cpu
