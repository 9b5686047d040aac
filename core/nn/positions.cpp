// See positions.h.
#include "core/nn/positions.h"

#include <cmath>

#include "core/tensor/torch.h"

namespace rmkv {

std::vector<std::string> positions_names() {
  return {"rope", "learned", "sinusoidal", "none"};
}

Positions parse_positions(const std::string& name) {
  const auto names = positions_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) {
      return static_cast<Positions>(i);
    }
  }
  fail_because("positions", unknown_name_text("positions", name, names));
}

std::string positions_name(Positions positions) {
  return positions_names()[static_cast<size_t>(positions)];
}

Tensor sinusoidal_rows(int64_t offset, int64_t count, int64_t channels, at::ScalarType dtype,
                       at::Device device) {
  Tensor rows = at::empty({count, channels}, at::kDouble);
  auto* data = rows.data_ptr<double>();
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t c = 0; c < channels; ++c) {
      const double exponent = static_cast<double>(c / 2 * 2) / static_cast<double>(channels);
      const double angle = static_cast<double>(offset + t) * std::pow(10000.0, -exponent);
      data[t * channels + c] = c % 2 == 0 ? std::sin(angle) : std::cos(angle);
    }
  }
  return rows.to(device, dtype);
}

}  // namespace rmkv
