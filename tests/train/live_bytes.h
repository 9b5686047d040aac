// Counts the bytes of live CPU tensors while it exists, through LibTorch's own reports to
// profilers.
//
// On the thread that made it; the flat buffers of a ParameterStore, which are not LibTorch's
// memory, are not seen.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

namespace rmkv {

class LiveBytes {
 public:
  LiveBytes()
      : counter_(std::make_shared<Counter>()),
        guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}

  int64_t now() const { return counter_->live; }  // may be negative: what was there before is freed
  int64_t peak() const { return counter_->peak; }
  void restart() { counter_->peak = counter_->live; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
      live += bytes;
      peak = std::max(peak, live);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t live = 0, peak = 0;
  };
  std::shared_ptr<Counter> counter_;
  c10::DebugInfoGuard guard_;
};

}  // namespace rmkv
