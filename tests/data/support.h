// What the data tests share: files, random texts, and a slow stream written
// differently.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/batch.h"
#include "core/data/list_source.h"
#include "core/data/stream.h"
#include "tests/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace rmkv::test {

// Writes a file, with its folders, below `folder` and returns its path.
std::string write(const TemporaryFolder& folder, const std::string& name,
                  const std::string& content);

// `count` texts of low..high letters; text i of name "x" begins "x<i>:".
std::vector<std::string> random_texts(const std::string& name, size_t count, size_t low,
                                      size_t high, uint64_t seed);

SourcePtr list(const std::string& name, std::vector<std::string> texts);

// The tokens of one lane's row, padding left out.
std::vector<int64_t> lane_tokens(const Batch& batch, int64_t lane);

// Everything in a batch as one string, for comparisons with a readable difference.
std::string dump(const Batch& batch);

// What TokenStream promises, written the slow way: no threads, no windows, everything read again
// for each batch.
class SlowStream {
 public:
  SlowStream(std::vector<StreamSource> sources, TokenizerPtr tokenizer, StreamOptions options);
  Batch next(int64_t segments, int64_t segment_tokens);

 private:
  std::vector<int64_t> next_text(size_t source);

  std::vector<StreamSource> sources_;
  TokenizerPtr tokenizer_;
  StreamOptions options_;
  std::vector<uint64_t> ordinals_;
  std::vector<double> served_, taken_tokens_, taken_texts_;
  struct Lane {
    std::vector<int64_t> tokens;
    size_t at = 0;
    size_t source = 0;
  };
  std::vector<Lane> lanes_;
};

}  // namespace rmkv::test
