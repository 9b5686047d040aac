// Whoever finishes the part that is next to be taken takes it and what waits behind it.
#include "tokenizer/in_order.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace rmkv {
namespace {

enum class PartState : unsigned char { kOpen, kMade, kFailed };

}  // namespace

std::vector<int32_t> SpareBuffers::take(size_t capacity) {
  std::vector<int32_t> buffer;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      buffer = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  buffer.reserve(capacity);
  return buffer;
}

void SpareBuffers::give(std::vector<int32_t> buffer) {
  buffer.clear();
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(buffer));
}

void run_in_order(size_t count, int threads,
                  const std::function<void(size_t part, size_t thread)>& make,
                  const std::function<void(size_t part)>& take) {
  std::atomic<size_t> next{0};
  std::mutex mutex;  // guards the rest
  std::vector<PartState> states(count, PartState::kOpen);
  size_t taken = 0, failed_at = count;
  bool taking = false;
  std::exception_ptr error;
  const auto attempt = [&](size_t part, const auto& act) {
    try {
      act();
      return true;
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (part < failed_at) {
        failed_at = part;
        error = std::current_exception();
      }
      next = count;
      return false;
    }
  };
  const auto work = [&](size_t thread) {
    for (size_t part = next++; part < count; part = next++) {
      const bool made = attempt(part, [&] { make(part, thread); });
      std::unique_lock lock(mutex);
      states[part] = made ? PartState::kMade : PartState::kFailed;
      if (taking) continue;
      taking = true;
      while (taken < count && states[taken] == PartState::kMade) {
        const size_t current = taken++;
        lock.unlock();
        const bool done = attempt(current, [&] { take(current); });
        lock.lock();
        if (!done) taken = count;
      }
      taking = false;
    }
  };
  {
    std::vector<std::jthread> others;
    const size_t helpers = std::min(static_cast<size_t>(std::max(threads, 1)), count);
    for (size_t i = 1; i < helpers; ++i) others.emplace_back(work, i);
    work(0);
  }
  if (error != nullptr) std::rethrow_exception(error);
}

}  // namespace rmkv
