// Summaries of tensors.
#include "bindings/tensor_text.h"

#include <cmath>
#include <cstdio>

#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

// Entries shown at each end of a long dimension, as NumPy and PyTorch do.
constexpr int64_t kEdge = 3;
// Above this many values only the ends are shown (PyTorch's threshold is 1000; a prompt is
// smaller).
constexpr int64_t kWhole = 64;

std::string number(double x, bool whole) {
  char text[32];
  if (whole)
    std::snprintf(text, sizeof text, "%.0f", x);
  else
    std::snprintf(text, sizeof text, "%.4g", x);
  return text;
}

class Printer {
 public:
  explicit Printer(const Tensor& values, bool whole, bool summarise)
      : values_(values), whole_(whole), summarise_(summarise) {}

  std::string text(const Tensor& part, size_t indent) {
    if (part.dim() == 1) return row(part);
    std::string out;
    int64_t size = part.size(0);
    for (int64_t i = 0; i < size; ++i) {
      if (i) out += "\n" + std::string(indent, ' ');
      if (summarise_ && size > 2 * kEdge && i == kEdge) {
        out += "...";
        i = size - kEdge - 1;
        continue;
      }
      out += text(part[i], indent + 1);
    }
    return "[" + out + "]";
  }

 private:
  std::string row(const Tensor& part) {
    std::string out = "[";
    int64_t size = part.size(0);
    for (int64_t i = 0; i < size; ++i) {
      if (i) out += " ";
      if (summarise_ && size > 2 * kEdge && i == kEdge) {
        out += "...";
        i = size - kEdge - 1;
        continue;
      }
      std::string item = number(part[i].item<double>(), whole_);
      if (item.size() < 8 && !whole_) item.insert(0, 8 - item.size(), ' ');
      out += item;
    }
    return out + "]";
  }

  const Tensor& values_;
  bool whole_;
  bool summarise_;
};

}  // namespace

std::string tensor_line(const Tensor& tensor) {
  if (!tensor.defined()) return "Tensor (undefined)";
  std::string text = "Tensor " + tensor_text(tensor);
  if (tensor.numel() == 0) return text;
  bool whole = at::isIntegralType(tensor.scalar_type(), true);
  Tensor values = tensor.detach().to(at::kCPU, at::kDouble).flatten();
  Tensor finite = values.isfinite();
  int64_t good = finite.sum().item<int64_t>();
  if (good > 0) {
    Tensor kept = good == values.numel() ? values : values.masked_select(finite);
    text += "  min " + number(kept.min().item<double>(), whole) + "  mean " +
            number(kept.mean().item<double>(), false) + "  max " +
            number(kept.max().item<double>(), whole);
  }
  int64_t nan = values.isnan().sum().item<int64_t>();
  if (nan) text += "  nan " + std::to_string(nan);
  int64_t infinite = values.numel() - good - nan;
  if (infinite) text += "  inf " + std::to_string(infinite);
  return text;
}

std::string tensor_full(const Tensor& tensor, size_t width) {
  std::string text = tensor_line(tensor);
  if (!tensor.defined() || tensor.numel() == 0) return text;
  Tensor values = tensor.detach();
  bool whole = at::isIntegralType(values.scalar_type(), true);
  if (values.dim() == 0) return text;
  // High ranks show their first plane only.
  std::string note;
  while (values.dim() > 3) {
    values = values[0];
    note = "  (first of the outer dimensions)";
  }
  bool summarise = values.numel() > kWhole;
  std::string grid = Printer(values, whole, summarise).text(values.to(at::kCPU, at::kDouble), 3);
  (void)width;
  return text + note + "\n  " + grid;
}

}  // namespace rmkv::lua
