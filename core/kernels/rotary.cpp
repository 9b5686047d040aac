// See rotary.h.
#include "core/kernels/rotary.h"

#include <cmath>
#include <map>
#include <tuple>

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor rotary_table(int64_t offset, int64_t count, int64_t head_channels, double base,
                    at::ScalarType dtype, at::Device device) {
  using Key = std::tuple<int64_t, int64_t, int64_t, double, at::ScalarType, at::DeviceType,
                         at::DeviceIndex>;
  thread_local std::map<Key, Tensor> tables;
  const Key key{offset, count, head_channels, base, dtype, device.type(), device.index()};
  const auto found = tables.find(key);
  if (found != tables.end()) {
    return found->second;
  }
  // Angles in fp64: fp32 loses the fast bands at positions beyond some ten thousand.
  at::NoGradGuard no_grad;
  const int64_t bands = head_channels / 2;
  Tensor table = at::empty({2, count, bands}, at::kDouble);
  auto* values = table.data_ptr<double>();
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t d = 0; d < bands; ++d) {
      const double angle =
          static_cast<double>(offset + t) *
          std::pow(base, -2.0 * static_cast<double>(d) / static_cast<double>(head_channels));
      values[t * bands + d] = std::cos(angle);
      values[(count + t) * bands + d] = std::sin(angle);
    }
  }
  // Token-by-token generation asks for every offset once; the cache must not grow with the length
  // of a story.
  constexpr size_t kMostTables = 256;
  if (tables.size() >= kMostTables) {
    tables.clear();
  }
  return tables[key] = table.to(device, dtype);
}

Tensor rotate(const Tensor& x, int64_t offset, double base) {
  return reference::rotate(x, offset, base);
}

}  // namespace rmkv::kernels
