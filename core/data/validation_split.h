// Which documents are held out: decided by a hash of the document's key, never by order, seed or
// run.
#pragma once

#include <cstdint>

#include "core/data/source.h"

namespace rmkv {

enum class Split { kAll, kTraining, kValidation };

class ValidationSplit {
 public:
  // Holds out `share` of the documents, in [0, 0.5].  Up to a million documents exactly that many,
  // at least one when there are two; beyond, and without limit, every document whose hash falls
  // under the share.
  ValidationSplit(SourcePtr source, double share);

  // The same border for a source that has more documents now: what was held out stays so.
  ValidationSplit for_grown(SourcePtr source) const;

  bool held_out(uint64_t index) const;
  bool contains(Split split, uint64_t index) const;

 private:
  SourcePtr source_;
  uint64_t threshold_ = 0;  // held out: hash < threshold
};

}  // namespace rmkv
