// Attention over a sliding window: fused against the fp64 form, finite differences, and against
// explicit sums over the tokens that a row may see.
#include "core/kernels/window_attention.h"

#include "core/kernels/reference.h"
#include "tests/kernels/compare.h"

using namespace rmkv;

namespace {

// Two lanes that stand at different places of their documents, groups of query heads, blocks
// shorter and longer than the window and than the kernel's blocks of rows.
struct Sizes {
  int64_t T, R, H, G, D;
  std::vector<int64_t> position;  // of each lane's first row in its document
  int64_t restart = -1;           // a document starts at this row in the last lane
};
const Sizes kSizes[] = {{5, 8, 2, 2, 32, {0, 11}},
                        {70, 16, 4, 2, 32, {3, 100}, 33},
                        {1, 24, 2, 1, 64, {24, 5}},
                        {130, 100, 3, 1, 32, {99, 0}, 50}};

Tensor starts(const Sizes& s) {
  return at::tensor(s.position, at::kLong).remainder(s.R);
}

Tensor lows(const Sizes& s) {
  const auto lanes = static_cast<int64_t>(s.position.size());
  Tensor low = at::empty({lanes, s.T}, at::kLong);
  for (int64_t b = 0; b < lanes; ++b) {
    for (int64_t t = 0; t < s.T; ++t) {
      const bool anew = s.restart >= 0 && b == lanes - 1 && t >= s.restart;
      const int64_t document = anew ? s.R + s.restart : s.R - s.position[static_cast<size_t>(b)];
      low[b][t] = std::max({t + 1, document, int64_t{0}});
    }
  }
  return low;
}

std::vector<Tensor> inputs(const Sizes& s) {
  const auto lanes = static_cast<int64_t>(s.position.size());
  const int64_t width = 2 * s.G * s.D;
  return {random_tensor({lanes, s.T, s.H, s.D}, 1), random_tensor({lanes, s.T, width}, 2),
          random_tensor({lanes, s.R, width}, 3)};
}

Operation operation(const Sizes& s) {
  return [start = starts(s), low = lows(s), G = s.G](const std::vector<Tensor>& in) {
    return std::vector<Tensor>{kernels::window_attention({in[0], in[1], in[2], start, low}, G)};
  };
}

// One row after another over the tokens that it sees.
Tensor by_hand(const Sizes& s, const std::vector<Tensor>& in) {
  const Tensor start = starts(s), low = lows(s);
  const int64_t group = s.H / s.G;
  Tensor out = at::empty({in[0].size(0), s.T, s.H * s.D}, at::kDouble);
  for (int64_t b = 0; b < in[0].size(0); ++b) {
    for (int64_t t = 0; t < s.T; ++t) {
      for (int64_t h = 0; h < s.H; ++h) {
        std::vector<Tensor> scores, values;
        for (int64_t c = low[b][t].item<int64_t>(); c <= s.R + t; ++c) {
          const Tensor row =
              c < s.R ? in[2][b][(start[b].item<int64_t>() + c) % s.R] : in[1][b][c - s.R];
          const int64_t place = h / group * s.D;
          scores.push_back((row.narrow(0, place, s.D) * in[0][b][t][h]).sum());
          values.push_back(row.narrow(0, s.G * s.D + place, s.D));
        }
        const Tensor weights = (at::stack(scores) / std::sqrt(static_cast<double>(s.D))).softmax(0);
        out[b][t].narrow(0, h * s.D, s.D).copy_(at::mv(at::stack(values, 1), weights));
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("windowed attention in fp64 is the sum over what each row sees") {
  for (const Sizes& s : {kSizes[0], kSizes[1], kSizes[2]}) {
    const auto in = inputs(s);
    CHECK((operation(s)(in)[0] - by_hand(s, in)).abs().max().item<double>() < 1e-12);
  }
}

TEST_CASE("fused windowed attention agrees with the fp64 form, values and gradients") {
  for (const Sizes& s : kSizes) {
    CAPTURE(s.T, s.R, s.H, s.G, s.D);
    check_against_double(operation(s), inputs(s), {at::kFloat, at::kFloat, at::kFloat}, 2e-5);
    check_against_double(operation(s), inputs(s), {at::kBFloat16, at::kBFloat16, at::kBFloat16},
                         3e-2);
  }
}

TEST_CASE("windowed attention has the gradients of finite differences") {
  const Sizes s = {4, 3, 2, 1, 2, {2, 7}, 2};
  check_finite_differences(operation(s), inputs(s), 1e-6);
}

TEST_CASE("windowed attention reads rows that are parts of wider ones") {
  const Sizes s = kSizes[1];
  const auto in = inputs(s);
  const Tensor wide = at::cat({in[0].flatten(2), in[1]}, 2).to(at::kFloat);
  const auto parts = wide.split_with_sizes({s.H * s.D, 2 * s.G * s.D}, 2);
  const Tensor ring = in[2].to(at::kFloat), start = starts(s), low = lows(s);
  const Tensor queries = parts[0].unflatten(2, {s.H, s.D});
  CHECK(at::equal(kernels::window_attention({queries, parts[1], ring, start, low}, s.G),
                  kernels::window_attention(
                      {queries.contiguous(), parts[1].contiguous(), ring, start, low}, s.G)));
}

TEST_CASE("windowed attention refuses shapes that do not fit") {
  const Sizes s = kSizes[0];
  const auto in = inputs(s);
  CHECK_THROWS_WITH(kernels::window_attention({in[0], in[1], in[2], starts(s), lows(s)}, 1),
                    Catch::Matchers::Contains("window_attention.fresh"));
  CHECK_THROWS_WITH(kernels::window_attention(
                        {in[0], in[1], in[2], starts(s), lows(s).narrow(1, 1, s.T - 1)}, s.G),
                    Catch::Matchers::Contains("window_attention.low"));
}
