// Selection among candidates by partial sorting.
#include "core/sample/candidates.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace rmkv {

namespace {

// Order of selection in keep_mass.
bool sooner(const Candidates::Ranked& a, const Candidates::Ranked& b) {
  return a.key < b.key || (a.key == b.key && a.id < b.id);
}

// Front of a partial selection: most distributions put the wanted mass on fewer tokens than this.
constexpr size_t kFirstFront = 64;

}  // namespace

void Candidates::assign(std::span<const float> logits) {
  items_.clear();
  items_.reserve(logits.size());
  for (size_t id = 0; id < logits.size(); ++id) {
    float logit = logits[id];
    if (std::isnan(logit) || logit == INFINITY) {
      fail("sampler", std::isnan(logit) ? "a logit that is not a number" : "an infinite logit",
           "finite logits (or -inf for a token that must not come)",
           "the model's weights may have overflowed: token " + std::to_string(id));
    }
    if (logit != -INFINITY) items_.push_back({logit, static_cast<int32_t>(id)});
  }
  if (items_.empty()) fail("sampler", "no token that may come", "at least one");
}

Candidate* Candidates::find(int32_t id) {
  auto place = std::lower_bound(items_.begin(), items_.end(), id,
                                [](const Candidate& item, int32_t x) { return item.id < x; });
  return place != items_.end() && place->id == id ? &*place : nullptr;
}

const Candidate& Candidates::best() const {
  // Ascending ids: the first of equals is the smaller id.
  return *std::max_element(items_.begin(), items_.end(),
                           [](const auto& a, const auto& b) { return a.logit < b.logit; });
}

Candidates::Weights Candidates::weights() {
  const double highest = best().logit;
  weights_.resize(items_.size());
  double sum = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    weights_[i] = std::exp(items_[i].logit - highest);
    sum += weights_[i];
  }
  return {weights_, sum};
}

void Candidates::keep_mass(std::span<const double> keys, std::span<const double> masses,
                           double enough) {
  ranked_.clear();
  for (size_t i = 0; i < items_.size(); ++i) ranked_.push_back({keys[i], masses[i], items_[i].id});
  // Sort growing fronts until one holds enough mass.
  size_t front = 0, kept = 0;
  double mass = 0;
  while (kept < ranked_.size() && (kept == 0 || mass < enough)) {
    if (kept == front) {
      front = std::min(ranked_.size(), front == 0 ? kFirstFront : 4 * front);
      auto begin = ranked_.begin() + static_cast<ptrdiff_t>(kept);
      auto end = ranked_.begin() + static_cast<ptrdiff_t>(front);
      if (end != ranked_.end()) std::nth_element(begin, end, ranked_.end(), sooner);
      std::sort(begin, end, sooner);
    }
    mass += ranked_[kept++].mass;
  }
  const Ranked& last = ranked_[kept - 1];
  size_t write = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    Ranked item{keys[i], 0, items_[i].id};
    if (!sooner(last, item)) items_[write++] = items_[i];
  }
  items_.resize(write);
}

void Candidates::keep_count(int64_t count) {
  if (count >= static_cast<int64_t>(items_.size())) return;
  RMKV_ASSERT(count > 0);
  selected_ = items_;
  auto last = selected_.begin() + (count - 1);
  std::nth_element(selected_.begin(), last, selected_.end(), more_likely);
  Candidate cut = *last;
  std::erase_if(items_, [&](const Candidate& item) { return more_likely(cut, item); });
}

void Candidates::keep_above(double lowest) {
  Candidate highest = best();
  std::erase_if(
      items_, [&](const Candidate& item) { return item.logit < lowest && item.id != highest.id; });
}

}  // namespace rmkv
