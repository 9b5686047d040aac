// Counts what the test program takes from the heap through operator new.
#pragma once

#include <cstdint>

namespace rmkv {

int64_t allocation_count();

}  // namespace rmkv
