// Sources whose documents lie in blocks that are read together: row groups, mebibytes of lines.
//
// How many blocks there are is known from sizes alone; how many documents a block holds is known
// when it is read.  That is what lets a stream begin anywhere in any amount of data at once:
// nothing is counted in advance.  An id is block << kRowBits | row.
#pragma once

#include <future>
#include <list>
#include <map>
#include <mutex>

#include "core/data/source.h"

namespace rmkv {

// The documents of one block in memory.
class RowBlock {
 public:
  virtual ~RowBlock() = default;
  virtual size_t rows() const = 0;
  virtual size_t bytes() const = 0;  // about what it takes in memory
};

class BlockSource : public DocumentSource {
 public:
  static constexpr int kRowBits = 24;
  static constexpr uint64_t kMostRows = uint64_t{1} << kRowBits;
  static uint64_t block_of(uint64_t id) { return id >> kRowBits; }
  static uint64_t row_of(uint64_t id) { return id & (kMostRows - 1); }

  virtual uint64_t block_count() const = 0;
  // Bytes of text in a block, about; decides how many are mixed with each other.
  virtual uint64_t block_text_bytes() const = 0;
  // Reads the block unless the file says it elsewhere.
  virtual uint64_t rows(uint64_t block) const { return this->block(block)->rows(); }

  // Counted when the source is small (see count_small); kUncounted otherwise.
  uint64_t document_count() const override { return count_; }
  std::optional<uint64_t> first_from(uint64_t id) const override;
  // Reads the blocks before, each only once.
  std::optional<uint64_t> nth(uint64_t n) const override;

  // The block from memory, or loaded; from any thread, each block by one at a time.
  std::shared_ptr<const RowBlock> block(uint64_t index) const;

 protected:
  virtual std::shared_ptr<const RowBlock> load(uint64_t index) const = 0;
  // Reads all blocks of a source of at most this many bytes, so that its documents are counted.
  void count_small();

 private:
  using Shared = std::shared_ptr<const RowBlock>;
  void forget_old() const;  // with the mutex held

  uint64_t count_ = kUncounted;
  mutable std::mutex mutex_;
  mutable std::vector<uint64_t>
      first_;  // number of the first document of the blocks counted so far
  mutable std::map<uint64_t, std::shared_future<Shared>> loading_;
  mutable std::list<std::pair<uint64_t, Shared>> recent_;  // the last used first
  mutable size_t held_bytes_ = 0;
};

}  // namespace rmkv
