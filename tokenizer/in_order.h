// Work on the parts of a text in several threads, with their results taken in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace rmkv {

// Buffers for the ids of parts, used again: memory that was touched before costs no page faults.
class SpareBuffers {
 public:
  // An empty one with room for `capacity` ids.
  std::vector<int32_t> take(size_t capacity);
  void give(std::vector<int32_t> buffer);

 private:
  std::mutex mutex_;
  std::vector<std::vector<int32_t>> spare_;
};

// Calls make(i, thread) for every i under `count`, each on any of `threads` threads (0 is the
// caller's), and take(i) once make(0) ... make(i) are done, one after the other: while one thread
// takes, the others go on making.  After an exception no further part is begun; the one of the
// smallest part is thrown here.
void run_in_order(size_t count, int threads,
                  const std::function<void(size_t part, size_t thread)>& make,
                  const std::function<void(size_t part)>& take);

}  // namespace rmkv
