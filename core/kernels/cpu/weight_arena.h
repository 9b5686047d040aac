// Memory for packed weights: large blocks on huge pages, given out in 64-byte aligned pieces and
// freed together.
//
// Decoding streams every weight once per token; with 4 KiB pages the page walks cost a third of the
// bandwidth (measured: 15 against 25 GB/s on one core).  Not for activations or tensors.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace rmkv::kernels::cpu {

class WeightArena {
 public:
  WeightArena() = default;
  ~WeightArena();
  WeightArena(const WeightArena&) = delete;
  WeightArena& operator=(const WeightArena&) = delete;

  // `bytes` zeroed bytes at a multiple of 64, valid until the arena ends.  Throws when the system
  // gives no memory.
  uint8_t* allocate(int64_t bytes);
  int64_t reserved_bytes() const;  // taken from the system

 private:
  struct Block {
    void* mapping;
    int64_t mapped;
    uint8_t* begin;
    int64_t size;
    int64_t used;
  };
  std::vector<Block> blocks_;
};

}  // namespace rmkv::kernels::cpu
