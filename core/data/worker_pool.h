// Threads that read and encode documents ahead.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rmkv {

class WorkerPool {
 public:
  // Zero threads are allowed: tasks are then dropped, and whoever waits for one does it himself.
  explicit WorkerPool(int64_t threads);
  // Waits for running tasks; waiting ones are dropped.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Tasks begin in order and must not throw.
  void submit(std::function<void()> task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rmkv
