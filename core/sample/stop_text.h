// Cuts a stream of text at the first stop string, holding back what could be the beginning of one.
//
// Not here: UTF-8 (tokenizer/stream_decoder.h gives whole characters).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

class StopText {
 public:
  StopText() = default;
  explicit StopText(std::vector<std::string> stops);

  // Takes text and returns what can be shown now.  Once a stop string is complete, stopped() is
  // true and nothing more comes.  Of several, the one that begins first wins; of those, the
  // shortest.
  std::string push(std::string_view text);
  // What was held back, when the stream ends without a stop.
  std::string flush();
  bool stopped() const { return stopped_; }
  const std::string& held() const { return held_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // shorter than the longest stop string
  bool stopped_ = false;
};

}  // namespace rmkv
