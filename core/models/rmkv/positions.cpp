// Learned and sinusoidal positions; see positions.h.
#include "core/models/rmkv/positions.h"

#include <cmath>

#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// Sinusoids have deviation 1/sqrt(2); this brings them to the 0.02 of freshly initialised
// embeddings.
constexpr double kSinusoidScale = 0.02 * 1.4142135623730951;

}  // namespace

Tensor sinusoids(const Tensor& positions, int64_t channels, at::ScalarType dtype) {
  const auto wide = at::TensorOptions().dtype(at::kDouble).device(positions.device());
  const Tensor rates = at::exp(at::arange(channels / 2, wide) *
                               (-2.0 * std::log(10000.0) / static_cast<double>(channels)));
  const Tensor angles = positions.to(at::kDouble).unsqueeze(-1) * rates;
  return (at::cat({angles.sin(), angles.cos()}, -1) * kSinusoidScale).to(dtype);
}

Tensor add_positions(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& rows,
                     int64_t first, const Tensor& start) {
  const int64_t count = rows.size(1);
  if (config.positions == Positions::kLearned)
    return rows + weights.positions.narrow(0, first, count);
  if (config.positions != Positions::kSinusoidal) return rows;
  const Tensor steps = at::arange(count, start.options());
  return rows + sinusoids(start.unsqueeze(1) + steps, config.channels, rows.scalar_type());
}

void add_position(const RmkvConfig& config, const RmkvWeights& weights, int64_t place,
                  int64_t since_start, float* row) {
  const int64_t channels = config.channels, half = channels / 2;
  if (config.positions == Positions::kLearned) {
    const float* learned = weights.positions.const_data_ptr<float>() + place * channels;
    for (int64_t i = 0; i < channels; ++i) row[i] += learned[i];
  }
  if (config.positions != Positions::kSinusoidal) return;
  for (int64_t i = 0; i < half; ++i) {
    const double rate = std::exp(static_cast<double>(i) * (-2.0 * std::log(10000.0)) /
                                 static_cast<double>(channels));
    const double angle = static_cast<double>(since_start) * rate;
    row[i] += static_cast<float>(std::sin(angle) * kSinusoidScale);
    row[half + i] += static_cast<float>(std::cos(angle) * kSinusoidScale);
  }
}

}  // namespace rmkv
