// A fixed team of threads that walks through a computation together, with a barrier that costs a
// fraction of a microsecond.
//
// For work that is a long chain of steps of 10-100 us each (decoding a token), where handing every
// step to LibTorch's pool would cost as much as the step.  Waiting threads spin for a short while
// and then sleep; a job may take a part of the team, the rest of it is not woken.
// Not for training kernels: those use parallel.h.
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

  // Calls job(thread) with thread = 0 .. threads - 1 at once, thread 0 on the caller; returns when
  // all are done.  The job must not throw.  Called by one thread at a time; nothing is allocated.
  template <typename Job>
  void run(int threads, const Job& job) {
    start(
        threads, [](const void* target, int thread) { (*static_cast<const Job*>(target))(thread); },
        &job);
  }
  template <typename Job>
  void run(const Job& job) {
    run(size_, job);
  }
  // Inside a job: waits until every thread of the job has come here.  Writes before it are seen
  // after it.
  void barrier();

  // How many of `most` threads should share work that is cut by barriers into steps and reads
  // `bytes` in all: one more for every piece that costs several times what a barrier does.
  static int worth(int64_t bytes, int64_t steps, int most);

 private:
  using Call = void (*)(const void*, int);
  // A thread's own, so that starting a job wakes only those that take part.
  struct alignas(64) Helper {
    std::atomic<uint32_t> jobs{0};  // goes up when a job starts
    std::thread thread;
  };
  void start(int threads, Call call, const void* target);
  void begin(Helper& helper);
  void work(int thread);

  const int size_;
  uint32_t active_ = 1;  // threads of the job
  Call call_ = nullptr;
  const void* target_ = nullptr;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> passes_{0};  // goes up when a barrier opens
  std::atomic<bool> stop_{false};
  std::vector<Helper> helpers_;  // [size - 1]
};

}  // namespace rmkv::kernels::cpu
