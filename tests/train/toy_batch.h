// Batches of random tokens for the toy model; every number follows from the seed.
#pragma once

#include "core/base/random.h"
#include "core/data/batch.h"
#include "core/tensor/torch.h"
#include "tests/train/toy_model.h"

namespace rmkv {

// Labels are the next tokens; every fifth is ignored.  `resets` lists {lane, segment} of document
// starts.
inline Batch toy_batch(uint64_t seed, int64_t lanes, int64_t segments,
                       const std::vector<std::pair<int64_t, int64_t>>& resets = {}) {
  Batch batch;
  batch.lanes = lanes;
  batch.segments = segments;
  batch.segment_tokens = ToyModel::kSegmentTokens;
  int64_t width = segments * batch.segment_tokens;
  RandomStream random(seed, "toy_batch");
  Tensor text = at::empty({lanes, width + 1}, at::kLong);
  for (int64_t i = 0; i < text.numel(); ++i) {
    text.data_ptr<int64_t>()[i] = static_cast<int64_t>(random.below(ToyModel::kVocabulary));
  }
  batch.tokens = text.narrow(1, 0, width).clone();
  batch.labels = text.narrow(1, 1, width).clone();
  for (int64_t i = 0; i < batch.labels.numel(); i += 5)
    batch.labels.data_ptr<int64_t>()[i] = kIgnoreLabel;
  batch.resets = at::zeros({lanes, segments}, at::kBool);
  for (auto [lane, segment] : resets) batch.resets[lane][segment] = true;
  batch.sources = at::zeros({lanes, segments}, at::kLong);
  batch.token_count = batch.tokens.numel();
  batch.label_count = batch.labels.ne(kIgnoreLabel).sum().item<int64_t>();
  batch.byte_count = 3 * batch.label_count;
  return batch;
}

}  // namespace rmkv
