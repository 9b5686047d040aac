// A fixed team of threads that walks through a computation together, with a barrier that costs a
// fraction of a microsecond.
//
// For work that is a long chain of steps of 10-100 us each (decoding a token), where handing every
// step to LibTorch's pool would cost as much as the step.  Waiting threads spin for a short while
// and then sleep.  Not for training kernels: those use parallel.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace rmkv::kernels::cpu {

class ThreadTeam {
 public:
  // `size` threads including the one that calls run().
  explicit ThreadTeam(int size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return size_; }

  // Calls job(thread) with thread = 0 .. size - 1 at once, thread 0 on the caller; returns when all
  // are done.  The job must not throw.  Called by one thread at a time; nothing is allocated.
  template <typename Job>
  void run(const Job& job) {
    start([](const void* target, int thread) { (*static_cast<const Job*>(target))(thread); }, &job);
  }
  // Inside a job: waits until every thread of the team has come here.  Writes before it are seen
  // after it.
  void barrier();

 private:
  using Call = void (*)(const void*, int);
  void start(Call call, const void* target);
  void work(int thread);

  const int size_;
  Call call_ = nullptr;
  const void* target_ = nullptr;
  alignas(64) std::atomic<uint32_t> jobs_{0};  // goes up when a job starts
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> passes_{0};  // goes up when a barrier opens
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace rmkv::kernels::cpu
