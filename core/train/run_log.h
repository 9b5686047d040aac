// The run's JSONL log: one object a step, flushed as it is written.
//
// Lines hold the step and what was computed, never the time: the log of a run that was killed and
// resumed equals, byte for byte, that of one that was not.  Wall-clock fields go into a file of
// their own (`<name>.time.jsonl`), keyed by step.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/value.h"

namespace rmkv {

class RunLog {
 public:
  // Appends to `path` (its folder is created).  `resume_step` >= 0: lines after that step, and a
  // torn last line, are dropped first, atomically; -1 starts anew: an existing file is put aside as
  // `path`.1 (.2 ...).
  RunLog(std::string path, int64_t resume_step = -1);

  // One line: {"step": step, ...fields}; a field named "step" is an error.  `timing` goes to the
  // time file.
  void write(int64_t step, const Table& fields, const Table& timing = {});
  const std::string& path() const { return path_; }

 private:
  std::string path_, time_path_;
};

// Keeps the lines of a JSONL file whose "step" is at most `last_step`; whole lines only, atomic.  A
// missing file is fine.
void truncate_jsonl(const std::string& path, int64_t last_step);

}  // namespace rmkv
