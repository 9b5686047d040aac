// Golden vectors of the RWKV family's recurrences, values and gradients, in fp64 (the plain form)
// and fp32 (the fused one).  Source: rwkv-family.md, section 1.10.
#include "core/kernels/wkv.h"

#include "tests/kernels/compare.h"

using namespace rmkv;

namespace {

constexpr int64_t kB = 2, kT = 32, kH = 2, kN = 64;

// s_q(n) = sin((n + 1) (0.7 + 0.11 q)), n counting the elements.
Tensor wave(int q, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return ((at::arange(count, at::kDouble) + 1) * (0.7 + 0.11 * q)).sin().view(shape);
}
Tensor rows(int q) {
  return wave(q, {kB, kT, kH, kN});
}

struct Golden {
  const char* name;
  double sum, norm;
  std::vector<double> first;  // elements 0, 1, ...
  double last = NAN;
};

// `tolerance` is relative to the largest element; sums gather the error of all elements.
void check_golden(const Tensor& given, const Golden& golden, double tolerance) {
  INFO(golden.name);
  const Tensor x = given.detach().to(at::kDouble).reshape({-1});
  const double largest = x.abs().max().item<double>();
  const double near = tolerance * largest + 1e-9;
  CHECK(std::fabs(x.sum().item<double>() - golden.sum) <
        near * std::sqrt(static_cast<double>(x.numel())) + 2e-9);
  CHECK(std::fabs(x.norm().item<double>() - golden.norm) <
        near * std::sqrt(static_cast<double>(x.numel())) + 2e-9);
  for (size_t i = 0; i < golden.first.size(); ++i) {
    CHECK(std::fabs(x[static_cast<int64_t>(i)].item<double>() - golden.first[i]) < near);
  }
  if (!std::isnan(golden.last)) CHECK(std::fabs(x[-1].item<double>() - golden.last) < near);
}

struct Precision {
  at::ScalarType dtype;
  double tolerance;
};
const Precision kPrecisions[] = {{at::kDouble, 1e-10}, {at::kFloat, 1e-5}};

Tensor leaf(const Tensor& x, at::ScalarType dtype) {
  return x.to(dtype).detach().clone().requires_grad_(true);
}

}  // namespace

TEST_CASE("wkv4 gives the golden values and gradients") {
  for (const auto& [dtype, tolerance] : kPrecisions) {
    CAPTURE(dtype);
    const int64_t C = kH * kN;
    const auto flat = [&](int q) { return leaf(rows(q).view({kB, kT, C}), dtype); };
    const Tensor k = flat(1), v = flat(2), w = leaf(-wave(3, {C}).exp(), dtype),
                 u = leaf(0.5 * wave(7, {C}), dtype);
    const Tensor start = kernels::wkv4_empty_state(kB, C, at::dtype(dtype));
    const auto [y, state] = kernels::wkv4(k, v, w, u, start);
    (y * rows(6).view({kB, kT, C}).to(dtype)).sum().backward();
    check_golden(y,
                 {"y",
                  9.126192385,
                  36.859384771,
                  {0.795601620, 0.963982996, 0.372399039, -0.512769307},
                  -0.162645388},
                 tolerance);
    check_golden(k.grad(),
                 {"dk",
                  0,
                  10.779333012,
                  {-0.179047009, -0.033322139, -0.083616938, -0.065400448},
                  0.081750263},
                 tolerance);
    check_golden(v.grad(),
                 {"dv",
                  0.730569096,
                  30.803592165,
                  {0.609671944, 1.017075511, -0.101263241, -0.779297857},
                  0.401898837},
                 tolerance);
    check_golden(w.grad(),
                 {"dw",
                  4.350355763,
                  4.910191447,
                  {-0.000761437, -0.267435641, -0.516060896, -1.022258618},
                  0.047140705},
                 tolerance);
    check_golden(u.grad(),
                 {"du",
                  -1.273297081,
                  6.175817566,
                  {0.802638711, 0.629010683, 0.312132174, 0.258330664},
                  0.541467328},
                 tolerance);
    check_golden(state.select(1, 0), {"a", -0.625290129, 10.414705065, {}}, tolerance);
    check_golden(state.select(1, 1), {"b", 442.406269587, 29.156442864, {}}, tolerance);
    check_golden(state.select(1, 2), {"p", 51.246631721, 9.750721596, {}}, tolerance);
    // Adding a constant to all keys changes nothing, so their gradients cancel per channel.
    CHECK(k.grad().to(at::kDouble).flatten(0, 1).sum(0).abs().max().item<double>() <
          100 * tolerance);
  }
}

TEST_CASE("wkv4 survives keys of a hundred") {
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto column = [&](std::vector<double> x) {
      return at::tensor(x, at::kDouble).view({1, 5, 1}).to(dtype);
    };
    const auto [y, state] =
        kernels::wkv4(column({100, -100, 101, 99.5, -3}), column({1, 2, -3, 4, 5}),
                      at::full({1}, -0.5, at::dtype(dtype)), at::full({1}, 0.25, at::dtype(dtype)),
                      kernels::wkv4_empty_state(1, 1, at::dtype(dtype)));
    const double expected[] = {1, 1, -2.4078112079, -1.2087474206, -0.9267784099};
    for (int64_t t = 0; t < 5; ++t) {
      CHECK(y[0][t][0].item<double>() == Approx(expected[t]).epsilon(2e-6));
    }
    CHECK(state[0][0][0].item<double>() == Approx(-1.3931469521).epsilon(2e-6));
    CHECK(state[0][1][0].item<double>() == Approx(1.5032147244).epsilon(2e-6));
    CHECK(state[0][2][0].item<double>() == Approx(100).epsilon(1e-6));
  }
}

TEST_CASE("wkv with a constant decay gives version 5.2's golden values and gradients") {
  for (const auto& [dtype, tolerance] : kPrecisions) {
    CAPTURE(dtype);
    const Tensor r = leaf(rows(0), dtype), k = leaf(rows(1), dtype), v = leaf(rows(2), dtype),
                 w = leaf((-(wave(3, {kH, kN}) - 1).exp()).exp(), dtype),
                 u = leaf(0.5 * wave(7, {kH, kN}), dtype);
    const auto [y, state] =
        kernels::wkv(r, k, v, w, u, at::zeros({kB, kH, kN, kN}, at::dtype(dtype)));
    (y * rows(6).to(dtype)).sum().backward();
    check_golden(y,
                 {"y",
                  120.304132483,
                  291.913303511,
                  {4.565192417, 5.531371170, 2.136839881, -2.942289827},
                  -1.301587648},
                 tolerance);
    check_golden(r.grad(), {"dr", 4.533875331, 99.325833421, {}}, tolerance);
    check_golden(k.grad(), {"dk", -7.604287623, 225.203765592, {}}, tolerance);
    check_golden(v.grad(), {"dv", -2.939672859, 405.172109011, {}}, tolerance);
    check_golden(w.grad(), {"dw", 19.992744773, 66.956514607, {1.905544727}}, tolerance);
    check_golden(u.grad(), {"du", 4.412120401, 7.223295519, {}}, tolerance);
    check_golden(state, {"S", -2.912734060, 54.800556253, {}}, tolerance);
  }
}

TEST_CASE("wkv with a decay per token gives version 6's golden values and gradients") {
  for (const auto& [dtype, tolerance] : kPrecisions) {
    CAPTURE(dtype);
    const Tensor r = leaf(rows(0), dtype), k = leaf(rows(1), dtype), v = leaf(rows(2), dtype),
                 z = leaf(rows(3), dtype), u = leaf(0.5 * wave(7, {kH, kN}), dtype);
    const Tensor w = (-(z - 1).exp()).exp();
    w.retain_grad();
    const auto [y, state] =
        kernels::wkv(r, k, v, w, u, at::zeros({kB, kH, kN, kN}, at::dtype(dtype)));
    (y * rows(6).to(dtype)).sum().backward();
    check_golden(y,
                 {"y",
                  124.830571937,
                  290.163128584,
                  {4.565192417, 5.531371170, 2.136839881, -2.942289827},
                  -1.317427397},
                 tolerance);
    check_golden(r.grad(),
                 {"dr",
                  3.244717518,
                  99.245673198,
                  {-0.099087068, -0.027499153, 0.085721640, -0.005300494},
                  0.597863587},
                 tolerance);
    check_golden(k.grad(),
                 {"dk",
                  -9.053016247,
                  227.130253485,
                  {1.949513624, 0.581793330, -0.627608625, -2.528069766},
                  -0.300960535},
                 tolerance);
    check_golden(v.grad(),
                 {"dv",
                  -1.558976139,
                  409.813914917,
                  {4.402358266, 6.709166756, -1.594724063, -7.376522627},
                  -2.480924618},
                 tolerance);
    check_golden(w.grad(), {"dw", 25.260525563, 133.102801404, {0, 0, 0, 0}, 0}, tolerance);
    check_golden(z.grad(), {"dz", -3.638789332, 28.986573793, {}}, tolerance);
    check_golden(u.grad(),
                 {"du",
                  4.412120401,
                  7.223295519,
                  {1.067910344, 1.125006544, 0.037855606, -0.226353779},
                  0.691135094},
                 tolerance);
    check_golden(state,
                 {"S", -0.039587194, 54.795450670, {-0.158547299, -0.619751938}, 0.248397060},
                 tolerance);
  }
}

TEST_CASE("wkv7 gives the golden values and gradients") {
  for (const auto& [dtype, tolerance] : kPrecisions) {
    CAPTURE(dtype);
    const Tensor kappa = rows(5) / rows(5).norm(2, -1, true), rate = rows(4).sigmoid();
    const Tensor r = leaf(rows(0), dtype), k = leaf(rows(1), dtype), v = leaf(rows(2), dtype),
                 z = leaf(rows(3), dtype), removal = leaf(-kappa, dtype),
                 replacement = leaf(kappa * rate, dtype);
    const Tensor w = (-std::exp(-0.5) * z.sigmoid()).exp();
    w.retain_grad();
    const auto [y, state] = kernels::wkv7({r, w, k, v, removal, replacement},
                                          at::zeros({kB, kH, kN, kN}, at::dtype(dtype)));
    (y * rows(6).to(dtype)).sum().backward();
    check_golden(y,
                 {"y",
                  15.128120532,
                  131.249584882,
                  {2.626768432, 3.182698526, 1.229517407, -1.692965670},
                  -0.991566656},
                 tolerance);
    check_golden(r.grad(),
                 {"dr",
                  -3.758633328,
                  85.932295318,
                  {-0.199185131, -0.274675671, -0.179591759, 0.027019199},
                  -0.737050804},
                 tolerance);
    check_golden(w.grad(), {"dw", 29.454079268, 141.221062406, {0, 0, 0, 0}, -0.288115994},
                 tolerance);
    check_golden(k.grad(),
                 {"dk",
                  -2.765100433,
                  239.810042254,
                  {1.697510418, 0.580194699, -0.554262854, -2.009533477},
                  1.827895843},
                 tolerance);
    check_golden(v.grad(),
                 {"dv",
                  8.099731844,
                  343.649091026,
                  {2.441706021, 5.398843210, -0.182412519, -5.475178714},
                  -1.623724044},
                 tolerance);
    check_golden(removal.grad(),
                 {"d(-kappa)", -0.859938828, 12.463979663, {0, 0, 0, 0}, 0.025936141}, tolerance);
    check_golden(replacement.grad(),
                 {"d(kappa a)", -0.583470206, 60.997641264, {0, 0, 0, 0}, -0.077224477}, tolerance);
    check_golden(z.grad(), {"dz", -3.267058379, 14.527378905, {}, 0.032557044}, tolerance);
    check_golden(state,
                 {"S",
                  -0.354478946,
                  52.751108119,
                  {-0.173461341, -0.193460222, -0.099306615, 0.107783855},
                  0.212428352},
                 tolerance);
  }
}
