// One batch of lanes: consecutive segments of documents, ready for a training step.
//
// A lane is a row that a document occupies for as many segments as it has; its next document starts
// at a segment boundary with `resets` set.  The last segment of a document is padded (`valid`
// false).  Labels cross segment boundaries: the label of a segment's last token is the next
// segment's first token.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

// The label that is not trained (padding, the last token of a document, masked prompts).
inline constexpr int64_t kIgnoreLabel = -100;

struct Batch {
  int64_t lanes = 0;           // B
  int64_t segments = 0;        // S
  int64_t segment_tokens = 0;  // T
  Tensor tokens;               // int64 [B, S*T]
  Tensor labels;               // int64 [B, S*T], kIgnoreLabel where nothing is trained
  Tensor weights;              // fp32 [B, S*T]: factor on each label's loss; undefined: all 1
  Tensor valid;                // bool [B, S*T]; undefined when there is no padding at all
  Tensor resets;               // bool [B, S]: a document starts in this segment
  Tensor sources;              // int64 [B, S]: index of the source each segment came from
  Tensor documents;            // int64 [B, S*T]: id of the document in its source, -1 in padding
  Tensor positions;            // int64 [B, S*T]: of the token in its document, 0 in padding
  Tensor bytes;  // int64 [B, S]: bytes of text behind the trained labels; undefined: not counted
  int64_t token_count = 0;  // valid tokens
  int64_t label_count = 0;  // labels that are trained
  int64_t byte_count = 0;   // bytes of text behind the labels, for bits per byte
};

}  // namespace rmkv
