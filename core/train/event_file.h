// TensorBoard event files: scalars and texts by step.
//
// Records in TFRecord framing (length, masked CRC-32C of it, Event message, masked CRC-32C of
// that), the messages encoded by hand: field numbers from
// tensorboard/compat/proto/{event,summary,tensor}.proto.  Not here: JSONL (run_log.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rmkv {

// CRC-32C (Castagnoli) of bytes, and masked as TFRecord stores it.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);

class EventFile {
 public:
  // Opens a new event file in `folder` (created when missing).  `resume_step` >= 0: events of
  // earlier files there with a later step are cut off first, so that a resumed run leaves the curve
  // of one that was never stopped.
  explicit EventFile(const std::string& folder, int64_t resume_step = -1);
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;
  ~EventFile();

  void scalar(const std::string& tag, int64_t step, double value);
  void text(const std::string& tag, int64_t step, const std::string& content);
  // Hands what was written to the system; also done by the destructor.
  void flush();
  const std::string& path() const { return path_; }

 private:
  void event(int64_t step, const std::string& summary);

  std::string path_;
  std::string buffer_;
};

// Cuts every event file of `folder` after its last record of a step <= `last_step`; a damaged tail
// is cut too.
void truncate_event_files(const std::string& folder, int64_t last_step);

}  // namespace rmkv
