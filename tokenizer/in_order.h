// Work on the parts of a text in several threads, with their results taken in order.
#pragma once

#include <cstddef>
#include <functional>

namespace rmkv {

// Calls make(i) for every i under `count`, each on any of `threads` threads, and take(i) once
// make(0) ... make(i) are done, one after the other: while one thread takes, the others go on
// making.  After an exception no further part is begun; the one of the smallest part is thrown
// here.
void run_in_order(size_t count, int threads, const std::function<void(size_t)>& make,
                  const std::function<void(size_t)>& take);

}  // namespace rmkv
