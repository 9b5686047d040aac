// See loss.h.
#include "core/kernels/cpu/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {
namespace {

// The first place of `value` among the numbers of a row that holds it.
template <typename T>
int64_t place_of(const T* row, int64_t count, float value) {
  const int64_t whole = count / kLanes * kLanes;
  const Ints none = Ints{} + std::numeric_limits<int32_t>::max();
  const Ints lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Ints first = none;
  for (int64_t c = 0; c < whole; c += kLanes) {
    const Ints column = lane + static_cast<int32_t>(c);
    first = ((load(row + c) == value) & (column < first)) ? column : first;
  }
  int64_t place = count;
  for (int i = 0; i < kLanes; ++i) place = std::min(place, static_cast<int64_t>(first[i]));
  for (int64_t c = whole; c < count && place == count; ++c) {
    if (static_cast<float>(row[c]) == value) place = c;
  }
  return place;
}

}  // namespace

template <typename T>
void cross_entropy(T* logits, const int64_t* labels, const float* weights, int64_t rows,
                   int64_t vocabulary, const LossTerms& terms, bool gradient, float* losses,
                   float* wraps) {
  parallel_for(rows, 4, [&](int64_t first, int64_t last) {
    std::vector<float> exponentials(static_cast<size_t>(vocabulary + kLanes));
    for (int64_t n = first; n < last; ++n) {
      T* row = logits + n * vocabulary;
      if (labels[n] < 0) {
        losses[n] = 0.0f;
        if (terms.l2_wrap != 0.0f) wraps[n] = 0.0f;
        if (gradient) {
          std::fill(row, row + vocabulary, T(0.0f));
        }
        continue;
      }
      const int64_t whole = vocabulary / kLanes * kLanes, rest = vocabulary - whole;
      float largest = static_cast<float>(row[0]);
      if (whole > 0) {
        Floats most = load(row);
        for (int64_t c = kLanes; c < whole; c += kLanes) {
          most = maximum(most, load(row + c));
        }
        largest = max_lanes(most);
      }
      for (int64_t c = whole; c < vocabulary; ++c) {
        largest = std::max(largest, static_cast<float>(row[c]));
      }
      const float at_label = static_cast<float>(row[labels[n]]);
      Floats sums{};
      for (int64_t c = 0; c < whole; c += kLanes) {
        const Floats e = exponential(load(row + c) - largest);
        store(exponentials.data() + c, e);
        sums += e;
      }
      float sum = sum_lanes(sums);
      for (int64_t c = whole; c < vocabulary; ++c) {
        exponentials[static_cast<size_t>(c)] = std::exp(static_cast<float>(row[c]) - largest);
        sum += exponentials[static_cast<size_t>(c)];
      }
      const float log_z = largest + std::log(sum);
      losses[n] = log_z - at_label + terms.z_loss * log_z * log_z;
      if (terms.l2_wrap != 0.0f) wraps[n] = 0.5f * terms.l2_wrap * largest * largest;
      if (!gradient) {
        continue;
      }
      const float row_scale = weights == nullptr ? terms.scale : terms.scale * weights[n];
      const float factor = row_scale * (1.0f + 2.0f * terms.z_loss * log_z) / sum;
      const int64_t at_largest =
          terms.l2_wrap != 0.0f ? place_of(row, vocabulary, largest) : vocabulary;
      for (int64_t c = 0; c < whole; c += kLanes) {
        store(row + c, load(exponentials.data() + c) * factor);
      }
      if (rest > 0) {
        store_some(row + whole, load(exponentials.data() + whole) * factor, rest);
      }
      const auto correct = [&](int64_t place, float more) {
        row[place] = static_cast<T>(exponentials[static_cast<size_t>(place)] * factor + more);
      };
      const float wrapped = row_scale * terms.l2_wrap * largest;
      if (at_largest < vocabulary) correct(at_largest, wrapped);
      correct(labels[n], labels[n] == at_largest ? wrapped - row_scale : -row_scale);
    }
  });
}

template void cross_entropy<float>(float*, const int64_t*, const float*, int64_t, int64_t,
                                   const LossTerms&, bool, float*, float*);
template void cross_entropy<bf16>(bf16*, const int64_t*, const float*, int64_t, int64_t,
                                  const LossTerms&, bool, float*, float*);

}  // namespace rmkv::kernels::cpu
