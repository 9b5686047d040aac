// Rows and matrices of plain doubles, and the few functions of them that the naive models need.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace naive {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> data;
  double at(int64_t i, int64_t j) const { return data[static_cast<size_t>(i * columns + j)]; }
  Row row(int64_t i) const {
    return Row(data.begin() + static_cast<long>(i * columns),
               data.begin() + static_cast<long>((i + 1) * columns));
  }
};

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
inline double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
inline Row plus(Row a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
inline Row map(const Matrix& weight, const Row& x) {
  Row y;
  for (int64_t i = 0; i < weight.rows; ++i) y.push_back(dot(weight.row(i), x));
  return y;
}
inline Row part(const Row& x, int64_t first, int64_t count) {
  return Row(x.begin() + static_cast<long>(first), x.begin() + static_cast<long>(first + count));
}
inline Row normed(const Row& x, const Matrix& weight) {
  const double rms = std::sqrt(dot(x, x) / static_cast<double>(x.size()) + 1e-5);
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] / rms * weight.at(0, static_cast<int64_t>(i));
  return y;
}
inline Row softmax(const Row& scores) {
  double largest = -1e300, sum = 0;
  for (double s : scores) largest = std::max(largest, s);
  Row p;
  for (double s : scores) p.push_back(std::exp(s - largest));
  for (double x : p) sum += x;
  for (double& x : p) x /= sum;
  return p;
}
// One head's row turned to `position`: channel d with channel d + D/2, angle position *
// 10000^(-2d/D).
inline Row rotated(const Row& x, int64_t position) {
  const size_t half = x.size() / 2;
  Row y(x.size());
  for (size_t d = 0; d < half; ++d) {
    const double angle =
        static_cast<double>(position) *
        std::pow(10000.0, -2.0 * static_cast<double>(d) / static_cast<double>(x.size()));
    y[d] = x[d] * std::cos(angle) - x[d + half] * std::sin(angle);
    y[d + half] = x[d] * std::sin(angle) + x[d + half] * std::cos(angle);
  }
  return y;
}

}  // namespace naive
