// Thresholds on hashes of document keys.
#include "core/data/validation_split.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/random.h"

namespace rmkv {

namespace {

constexpr uint64_t kCountedDocuments = 1'000'000;

uint64_t split_hash(const DocumentSource& source, uint64_t index) {
  static const uint64_t kSalt = hash_name("validation split");
  return mix64(source.document_key(index), kSalt);
}

}  // namespace

ValidationSplit::ValidationSplit(SourcePtr source, double share) : source_(std::move(source)) {
  if (!(share >= 0 && share <= 0.5)) {
    fail("validation share", std::to_string(share), "a number in [0, 0.5]");
  }
  if (share == 0) return;
  uint64_t count = source_->document_count();
  if (count > kCountedDocuments) {
    threshold_ = static_cast<uint64_t>(std::ldexp(share, 63)) * 2;
    return;
  }
  if (count < 2) return;  // training needs the only document
  // Exactly the share: the documents with the smallest hashes.
  uint64_t held = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::llround(share * static_cast<double>(count))));
  std::vector<uint64_t> hashes;
  for (auto id = source_->first_from(0); id; id = source_->first_from(*id + 1))
    hashes.push_back(split_hash(*source_, *id));
  std::nth_element(hashes.begin(), hashes.begin() + static_cast<int64_t>(held), hashes.end());
  threshold_ = hashes[held];
}

ValidationSplit ValidationSplit::for_grown(SourcePtr source) const {
  ValidationSplit split = *this;
  split.source_ = std::move(source);
  return split;
}

bool ValidationSplit::held_out(uint64_t index) const {
  return threshold_ != 0 && split_hash(*source_, index) < threshold_;
}

bool ValidationSplit::contains(Split split, uint64_t index) const {
  return split == Split::kAll || held_out(index) == (split == Split::kValidation);
}

}  // namespace rmkv
