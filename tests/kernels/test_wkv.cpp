// The recurrences of the RWKV family: golden vectors, fused against the fp64 form, finite
// differences, resets, padding and splits.  Golden values: rwkv-family.md, section 1.10.
#include "core/kernels/wkv.h"

#include "core/kernels/product.h"
#include "core/kernels/rwkv_rows.h"
#include "core/kernels/token_shift.h"
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

namespace {

// Shapes that reach full and partial vectors, several chunks, and heads of one block and more.
struct Sizes {
  int64_t B, T, H, N;
};
const Sizes kSizes[] = {{2, 5, 2, 8}, {1, 70, 1, 16}, {2, 33, 2, 24}, {1, 7, 1, 72}};

// Resets and padding anywhere, a reset on a padded token among them.
Tensor some_marks(int64_t B, int64_t T) {
  Tensor marks = at::zeros({B, T}, at::kByte);
  for (int64_t b = 0; b < B; ++b) {
    marks[b][(2 + b) % T] = kernels::kMarkReset;
    marks[b][T - 1 - b] = kernels::kMarkSkip;
    marks[b][T / 2] = kernels::kMarkReset + kernels::kMarkSkip;
    if (T > 40) marks[b][32 + b] = kernels::kMarkReset;
  }
  return marks;
}

Operation wkv4_operation(const Tensor& marks) {
  return [marks](const std::vector<Tensor>& in) {
    const auto [y, state] = kernels::wkv4(in[0], in[1], -in[2].exp(), in[3], in[4], marks);
    // The exponent of an empty state would drown everything else.
    return std::vector<Tensor>{y, state.clamp_min(-100)};
  };
}
std::vector<Tensor> wkv4_inputs(const Sizes& s) {
  const int64_t C = s.H * s.N;
  return {random_tensor({s.B, s.T, C}, 1), random_tensor({s.B, s.T, C}, 2), random_tensor({C}, 3),
          random_tensor({C}, 4), random_tensor({s.B, 3, C}, 5).abs()};
}

Operation wkv_operation(const Tensor& marks) {
  return [marks](const std::vector<Tensor>& in) {
    const auto [y, state] = kernels::wkv(in[0], in[1], in[2], in[3].sigmoid(), in[4], in[5],
                                         in.size() > 6 ? in[6] : Tensor(), marks);
    return std::vector<Tensor>{y, state};
  };
}
std::vector<Tensor> wkv_inputs(const Sizes& s, bool constant) {
  const std::vector<int64_t> shape = {s.B, s.T, s.H, s.N};
  return {random_tensor(shape, 1),
          random_tensor(shape, 2),
          random_tensor(shape, 3),
          random_tensor(constant ? std::vector<int64_t>{s.H, s.N} : shape, 4),
          random_tensor({s.H, s.N}, 5),
          random_tensor({s.B, s.H, s.N, s.N}, 6),
          random_tensor({s.H, s.N, s.N}, 7)};
}

Operation wkv7_operation(const Tensor& marks) {
  return [marks](const std::vector<Tensor>& in) {
    const auto [y, state] = kernels::wkv7({in[0], in[1].sigmoid(), in[2], in[3], in[4], in[5]},
                                          in[6], in.size() > 7 ? in[7] : Tensor(), marks);
    return std::vector<Tensor>{y, state};
  };
}
std::vector<Tensor> wkv7_inputs(const Sizes& s) {
  const std::vector<int64_t> shape = {s.B, s.T, s.H, s.N};
  const Tensor kappa = random_tensor(shape, 5);
  const Tensor unit = kappa / kappa.norm(2, -1, true);
  return {random_tensor(shape, 1),
          random_tensor(shape, 2),
          random_tensor(shape, 3),
          random_tensor(shape, 4),
          -unit,
          unit * random_tensor(shape, 6).sigmoid(),
          random_tensor({s.B, s.H, s.N, s.N}, 7),
          random_tensor({s.H, s.N, s.N}, 8)};
}

std::vector<at::ScalarType> dtypes_of(const std::vector<Tensor>& inputs, at::ScalarType row,
                                      const std::vector<size_t>& narrow) {
  std::vector<at::ScalarType> dtypes(inputs.size(), at::kFloat);
  for (const size_t i : narrow) dtypes[i] = row;
  return dtypes;
}

}  // namespace

TEST_CASE("fused recurrences agree with the fp64 form, with resets, padding and states") {
  for (const Sizes& s : kSizes) {
    CAPTURE(s.B, s.T, s.H, s.N);
    for (const bool marked : {false, true}) {
      const Tensor marks = marked ? some_marks(s.B, s.T) : Tensor();
      const auto check = [](const Operation& operation, const std::vector<Tensor>& inputs,
                            const std::vector<size_t>& narrow) {
        check_against_double(operation, inputs, dtypes_of(inputs, at::kFloat, narrow), 2e-5);
        check_against_double(operation, inputs, dtypes_of(inputs, at::kBFloat16, narrow), 2e-2);
      };
      check(wkv4_operation(marks), wkv4_inputs(s), {0, 1});
      auto inputs = wkv_inputs(s, true);
      if (!marked) inputs.pop_back();  // without resets a reset state has no gradient
      check(wkv_operation(marks), inputs, {0, 1, 2});
      inputs = wkv_inputs(s, false);
      if (!marked) inputs.pop_back();
      check(wkv_operation(marks), inputs, {0, 1, 2});
      inputs = wkv7_inputs(s);
      if (!marked) inputs.pop_back();
      check(wkv7_operation(marks), inputs, {0, 2, 3, 4, 5});
    }
  }
}

TEST_CASE("the fp64 form of the recurrences has the gradients of finite differences") {
  const Sizes s = {2, 4, 1, 3};
  const Tensor marks = some_marks(s.B, s.T);
  check_finite_differences(wkv4_operation(marks), wkv4_inputs(s), 1e-6);
  check_finite_differences(wkv_operation(marks), wkv_inputs(s, true), 1e-6);
  check_finite_differences(wkv_operation(marks), wkv_inputs(s, false), 1e-6);
  check_finite_differences(wkv7_operation(marks), wkv7_inputs(s), 1e-6);
}

TEST_CASE("a block in any pieces gives the same bits as the whole") {
  at::NoGradGuard no_grad;
  const Sizes s = {2, 70, 2, 24};
  for (const at::ScalarType row : {at::kFloat, at::kBFloat16}) {
    auto four = wkv4_inputs(s), six = wkv_inputs(s, false), seven = wkv7_inputs(s);
    for (auto* inputs : {&four, &six, &seven}) {
      for (Tensor& x : *inputs) x = x.to(at::kFloat);
    }
    six[3] = six[3].sigmoid();
    seven[1] = seven[1].sigmoid();
    const Tensor marks = some_marks(s.B, s.T);
    // Advances a state over tokens first .. first + count.
    using Run = std::function<std::pair<Tensor, Tensor>(int64_t, int64_t, const Tensor&)>;
    const auto cut = [&](const Tensor& x, int64_t first, int64_t count) {
      return x.narrow(1, first, count).to(row);
    };
    const std::vector<std::pair<Tensor, Run>> runs = {
        {four[4],
         [&](int64_t f, int64_t n, const Tensor& state) {
           return kernels::wkv4(cut(four[0], f, n), cut(four[1], f, n), -four[2].exp(), four[3],
                                state, marks.narrow(1, f, n));
         }},
        {six[5],
         [&](int64_t f, int64_t n, const Tensor& state) {
           return kernels::wkv(cut(six[0], f, n), cut(six[1], f, n), cut(six[2], f, n),
                               six[3].narrow(1, f, n), six[4], state, six[6],
                               marks.narrow(1, f, n));
         }},
        {seven[6], [&](int64_t f, int64_t n, const Tensor& state) {
           return kernels::wkv7({cut(seven[0], f, n), seven[1].narrow(1, f, n), cut(seven[2], f, n),
                                 cut(seven[3], f, n), cut(seven[4], f, n), cut(seven[5], f, n)},
                                state, seven[7], marks.narrow(1, f, n));
         }}};
    for (const auto& [start, run] : runs) {
      const auto [whole, last] = run(0, s.T, start);
      for (const int64_t piece : {1, 2, 7, 33}) {
        Tensor state = start;
        std::vector<Tensor> parts;
        for (int64_t first = 0; first < s.T; first += piece) {
          auto [y, next] = run(first, std::min(piece, s.T - first), state);
          parts.push_back(y);
          state = next;
        }
        CHECK(at::equal(at::cat(parts, 1), whole));
        CHECK(at::equal(state, last));
      }
    }
  }
}

TEST_CASE("the token shift and its mixtures agree with the fp64 form and finite differences") {
  const Tensor marks = some_marks(2, 9);
  const Operation shift = [&](const std::vector<Tensor>& in) {
    const auto [difference, last] = kernels::token_shift(in[0], in[1], marks);
    return std::vector<Tensor>{difference, last};
  };
  const std::vector<Tensor> rows_in = {random_tensor({2, 9, 19}, 1), random_tensor({2, 19}, 2)};
  check_finite_differences(shift, rows_in);
  check_against_double(shift, rows_in, {at::kFloat, at::kFloat}, 1e-6);
  check_against_double(shift, rows_in, {at::kBFloat16, at::kFloat}, 1e-2);
  for (const bool with_deltas : {false, true}) {
    const Operation mix = [&](const std::vector<Tensor>& in) {
      return std::vector<Tensor>{
          kernels::mix_rows(in[0], in[1], in[2], with_deltas ? in[3] : Tensor())};
    };
    std::vector<Tensor> inputs = {random_tensor({2, 3, 19}, 1), random_tensor({2, 3, 19}, 2),
                                  random_tensor({4, 19}, 3)};
    std::vector<at::ScalarType> wide(3, at::kFloat),
        narrow = {at::kBFloat16, at::kBFloat16, at::kFloat};
    if (with_deltas) {
      inputs.push_back(random_tensor({4, 2, 3, 19}, 4));
      wide.push_back(at::kFloat);
      narrow.push_back(at::kBFloat16);
    }
    check_finite_differences(mix, inputs);
    check_against_double(mix, inputs, wide, 1e-6);
    check_against_double(mix, inputs, narrow, 2e-2);
  }
}

TEST_CASE("a row-invariant product gives each row the same bits in any company") {
  at::NoGradGuard no_grad;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Tensor x = random_tensor({37, 83}, 1).to(dtype), w = random_tensor({71, 83}, 2).to(dtype),
                 bias = random_tensor({71}, 3).to(dtype);
    kernels::set_row_invariant(true);
    const Tensor whole = kernels::product(x, w.t(), bias);
    for (const int64_t piece : {1, 2, 5, 16}) {
      for (int64_t first = 0; first < 37; first += piece) {
        const int64_t count = std::min<int64_t>(piece, 37 - first);
        CHECK(at::equal(kernels::product(x.narrow(0, first, count), w.t(), bias),
                        whole.narrow(0, first, count)));
      }
    }
    kernels::set_row_invariant(false);
    const Tensor expected =
        at::addmm(bias.to(at::kDouble), x.to(at::kDouble), w.to(at::kDouble).t());
    CHECK(relative_difference(whole, expected) < (dtype == at::kFloat ? 1e-6 : 1e-2));
  }
}

TEST_CASE("row functions agree with the fp64 form and finite differences") {
  using kernels::RowFunction;
  for (const RowFunction function : {RowFunction::kTanh, RowFunction::kSigmoid, RowFunction::kSilu,
                                     RowFunction::kReluSquared, RowFunction::kDecay}) {
    CAPTURE(static_cast<int>(function));
    for (const bool widens : {false, true}) {
      const Operation operation = [&](const std::vector<Tensor>& in) {
        const at::ScalarType row = in[0].scalar_type();
        const at::ScalarType out = widens && row != at::kDouble ? at::kFloat : row;
        return std::vector<Tensor>{kernels::apply_function(in[0], function, out, in[1])};
      };
      const std::vector<Tensor> inputs = {random_tensor({2, 20, 19}, 1), random_tensor({19}, 2)};
      check_finite_differences(operation, inputs);
      check_against_double(operation, inputs, {at::kFloat, at::kFloat}, 2e-6);
      check_against_double(operation, inputs, {at::kBFloat16, at::kFloat}, 1e-2);
    }
  }
}

TEST_CASE("version 7's operands agree with the fp64 form and finite differences") {
  for (const bool first_layer : {true, false}) {
    const int64_t D = 2 * 9;
    const Operation operation = [&](const std::vector<Tensor>& in) {
      kernels::Wkv7Projections given;
      given.key = in[0];
      given.value = in[1];
      given.decay_change = in[2];
      given.rate_change = in[3];
      given.decay_bias = in[4];
      given.rate_bias = in[5];
      given.removal_scale = in[6];
      given.rate_scale = in[7];
      if (!first_layer) {
        given.value_change = in[8];
        given.first_value = in[9];
        given.value_bias = in[10];
      }
      const kernels::Wkv7Operands out = kernels::wkv7_operands(given, 2);
      return std::vector<Tensor>{out.decay, out.key, out.value, out.removal, out.replacement};
    };
    std::vector<Tensor> inputs;
    std::vector<at::ScalarType> narrow;
    for (const int64_t row : {1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0}) {
      if (first_layer && inputs.size() == 8) break;
      const auto shape = row ? std::vector<int64_t>{2, 5, D} : std::vector<int64_t>{D};
      inputs.push_back(random_tensor(shape, 20 + inputs.size()));
      narrow.push_back(row ? at::kBFloat16 : at::kFloat);
    }
    check_finite_differences(operation, inputs, 1e-6);
    check_against_double(operation, inputs, std::vector<at::ScalarType>(inputs.size(), at::kFloat),
                         1e-5);
    check_against_double(operation, inputs, narrow, 3e-2);
  }
}

TEST_CASE("the heads' output agrees with the fp64 form and finite differences") {
  for (const bool with_bonus : {false, true}) {
    for (const bool with_gate : {false, true}) {
      const Operation operation = [&](const std::vector<Tensor>& in) {
        kernels::HeadOutput given;
        given.y = in[0];
        given.weight = in[1];
        given.bias = in[2];
        size_t next = 3;
        if (with_gate) given.gate = in[next++];
        if (with_bonus) {
          given.receptance = in[next++];
          given.key = in[next++];
          given.value = in[next++];
          given.bonus = in[next++];
        }
        return std::vector<Tensor>{kernels::head_output(given)};
      };
      const std::vector<int64_t> heads = {2, 5, 2, 19};
      std::vector<Tensor> inputs = {random_tensor(heads, 1), random_tensor({38}, 2),
                                    random_tensor({38}, 3)};
      std::vector<at::ScalarType> narrow = {at::kBFloat16, at::kFloat, at::kFloat};
      if (with_gate) {
        inputs.push_back(random_tensor({2, 5, 38}, 4));
        narrow.push_back(at::kBFloat16);
      }
      if (with_bonus) {
        for (const uint64_t seed : {5, 6, 7}) {
          inputs.push_back(random_tensor(heads, seed));
          narrow.push_back(at::kBFloat16);
        }
        inputs.push_back(random_tensor({2, 19}, 8));
        narrow.push_back(at::kFloat);
      }
      check_finite_differences(operation, inputs, 1e-6);
      check_against_double(operation, inputs,
                           std::vector<at::ScalarType>(inputs.size(), at::kFloat), 1e-5);
      check_against_double(operation, inputs, narrow, 3e-2);
    }
  }
}
