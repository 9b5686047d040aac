// Tensor methods that reduce, order and compare whole tensors.
//
// Without a dimension a reduction gives a Lua number, with one a tensor without that dimension.
// Positions in results count from 1.
#include "bindings/tensor_args.h"
#include "bindings/tensor_operations.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

const Field kTensor{"", "Tensor", ""};
const Field kReduced{"", "number|Tensor", "a number without dim"};
const Field kMaybeDim{"dim", "integer?", "from 1, or from -1 backwards", "everything"};
const Field kDim{"dim", "integer", "from 1, or from -1 backwards"};
using T = const Tensor&;

// Low precision and whole numbers are summed in fp32 or fp64 by LibTorch where it matters; means
// need a fraction.
Tensor with_fraction(T x) {
  return at::isIntegralType(x.scalar_type(), true) ? x.to(at::kFloat) : x;
}

template <auto Whole, auto Along>
int reduce(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  if (!c.has(2)) return push_scalar(c, Whole(x));
  return push_tensor(c, Along(x, dimension_arg(c, 2, x.dim())));
}

void need_elements(T x) {
  if (x.numel() == 0) fail("object", tensor_text(x), "at least one element");
}

// Extremes along a dimension come with their positions.
template <auto Whole, auto Along>
int extreme(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  need_elements(x);
  if (!c.has(2)) return push_scalar(c, Whole(x));
  auto [values, positions] = Along(x, dimension_arg(c, 2, x.dim()));
  return push_tensor(c, values) + push_tensor(c, positions + 1);
}

template <auto Operation>
int arg_extreme(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  need_elements(x);
  if (!c.has(2)) return c.push(Operation(x.flatten(), 0).template item<int64_t>() + 1);
  return push_tensor(c, Operation(x, dimension_arg(c, 2, x.dim())) + 1);
}

int norm(Call& c) {
  Tensor x = with_fraction(tensor_arg(c, 1));
  double order = c.number(2, 2.0);
  if (!c.has(3)) return push_scalar(c, at::norm(x.to(at::kDouble), order));
  return push_tensor(c, at::norm(x, order, {dimension_arg(c, 3, x.dim())}));
}

int cumsum(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, at::cumsum(x, dimension_arg(c, 2, x.dim())));
}

int sort(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  auto [values, positions] =
      at::sort(x, /*stable=*/true, dimension_arg(c, 2, x.dim()), c.boolean(3));
  return push_tensor(c, values) + push_tensor(c, positions + 1);
}

int topk(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  int64_t d = c.has(3) ? dimension_arg(c, 3, x.dim()) : x.dim() - 1;
  int64_t k = c.integer(2);
  if (x.dim() == 0 || k > x.size(d))
    fail("k", std::to_string(k), "at most " + std::to_string(x.dim() ? x.size(d) : 0));
  auto [values, positions] = at::topk(x, k, d);
  return push_tensor(c, values) + push_tensor(c, positions + 1);
}

int quantile(Call& c) {
  Tensor x = with_fraction(tensor_arg(c, 1)).to(at::kDouble).flatten();
  need_elements(x);
  // at::quantile refuses more than 16 million elements; sorting does not.
  Tensor sorted = std::get<0>(x.sort());
  double place = c.number(2) * static_cast<double>(sorted.numel() - 1);
  auto low = static_cast<int64_t>(std::floor(place));
  auto high = static_cast<int64_t>(std::ceil(place));
  double a = sorted[low].item<double>(), b = sorted[high].item<double>();
  return c.push(a + (b - a) * (place - std::floor(place)));
}

int unique(Call& c) {
  auto [values, inverse, counts] = at::_unique2(tensor_arg(c, 1), true, false, true);
  return push_tensor(c, values) + push_tensor(c, counts);
}

int bincount(Call& c) {
  return push_tensor(c, at::bincount(tensor_arg(c, 1).flatten(), {}, c.integer(2, 0)));
}

int equal(Call& c) {
  const Tensor &a = tensor_arg(c, 1), &b = tensor_arg(c, 2);
  return c.push(a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && at::equal(a, b));
}

int close(Call& c) {
  Tensor a = tensor_arg(c, 1).to(at::kDouble), b = tensor_arg(c, 2).to(at::kDouble);
  if (a.sizes() != b.sizes()) return c.push(false);
  return c.push(at::allclose(a, b, c.number(3, 1e-5), c.number(4, 1e-8)));
}

int difference(Call& c) {
  Tensor a = tensor_arg(c, 1).to(at::kDouble), b = tensor_arg(c, 2).to(at::kDouble);
  if (a.sizes() != b.sizes()) fail("other", shape_text(b.sizes()), shape_text(a.sizes()));
  return c.push(a.numel() ? (a - b).abs().max().item<double>() : 0.0);
}

}  // namespace

void add_reduce_operations(std::vector<Function>& list) {
  const Field positions{"positions", "Tensor?", "from 1; only with dim"};
  const std::vector<Function> functions = {
      {.name = "Tensor:sum",
       .doc = "Adds up.",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call = reduce<[](T x) { return at::sum(x); }, [](T x, int64_t d) { return at::sum(x, d); }>,
       .pure = true},
      {.name = "Tensor:mean",
       .doc = "Takes the mean.",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call = reduce<[](T x) { return at::mean(with_fraction(x)); },
                      [](T x, int64_t d) { return at::mean(with_fraction(x), d); }>,
       .pure = true},
      {.name = "Tensor:prod",
       .doc = "Multiplies up.",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call =
           reduce<[](T x) { return at::prod(x); }, [](T x, int64_t d) { return at::prod(x, d); }>,
       .pure = true},
      {.name = "Tensor:std",
       .doc = "Takes the sample standard deviation (n - 1).",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call = reduce<[](T x) { return at::std(with_fraction(x), true); },
                      [](T x, int64_t d) { return at::std(with_fraction(x), {d}, true); }>,
       .pure = true},
      {.name = "Tensor:var",
       .doc = "Takes the sample variance (n - 1).",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call = reduce<[](T x) { return at::var(with_fraction(x), true); },
                      [](T x, int64_t d) { return at::var(with_fraction(x), {d}, true); }>,
       .pure = true},
      {.name = "Tensor:logsumexp",
       .doc = "Takes log(sum(exp(x))) without overflow.",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call = reduce<[](T x) { return at::logsumexp(with_fraction(x).flatten(), 0); },
                      [](T x, int64_t d) { return at::logsumexp(with_fraction(x), d); }>,
       .pure = true},
      {.name = "Tensor:any",
       .doc = "Tells whether any element is not zero.",
       .args = {kMaybeDim},
       .returns = {{"", "boolean|Tensor", ""}},
       .call = reduce<[](T x) { return at::any(x); }, [](T x, int64_t d) { return at::any(x, d); }>,
       .pure = true},
      {.name = "Tensor:all",
       .doc = "Tells whether every element is not zero.",
       .args = {kMaybeDim},
       .returns = {{"", "boolean|Tensor", ""}},
       .call = reduce<[](T x) { return at::all(x); }, [](T x, int64_t d) { return at::all(x, d); }>,
       .pure = true},
      {.name = "Tensor:count_nonzero",
       .doc = "Counts the elements that are not zero.",
       .args = {kMaybeDim},
       .returns = {kReduced},
       .call =
           reduce<[](T x) { return at::count_nonzero(x, std::optional<int64_t>()); },
                  [](T x, int64_t d) { return at::count_nonzero(x, std::optional<int64_t>(d)); }>,
       .pure = true},
      {.name = "Tensor:max",
       .doc = "Takes the largest element.",
       .args = {kMaybeDim},
       .returns = {kReduced, positions},
       .call =
           extreme<[](T x) { return at::max(x); }, [](T x, int64_t d) { return at::max(x, d); }>,
       .errors = "when there is no element",
       .pure = true},
      {.name = "Tensor:min",
       .doc = "Takes the smallest element.",
       .args = {kMaybeDim},
       .returns = {kReduced, positions},
       .call =
           extreme<[](T x) { return at::min(x); }, [](T x, int64_t d) { return at::min(x, d); }>,
       .errors = "when there is no element",
       .pure = true},
      {.name = "Tensor:argmax",
       .doc = "Finds the position of the largest element (a token id is the position minus 1).",
       .args = {kMaybeDim},
       .returns = {{"", "integer|Tensor", "from 1"}},
       .call = arg_extreme<[](T x, int64_t d) { return at::argmax(x, d); }>,
       .errors = "when there is no element",
       .pure = true},
      {.name = "Tensor:argmin",
       .doc = "Finds the position of the smallest element.",
       .args = {kMaybeDim},
       .returns = {{"", "integer|Tensor", "from 1"}},
       .call = arg_extreme<[](T x, int64_t d) { return at::argmin(x, d); }>,
       .errors = "when there is no element",
       .pure = true},
      {.name = "Tensor:norm",
       .doc = "Takes the p-norm.",
       .args = {{"order", "number?", "", "2"}, kMaybeDim},
       .returns = {kReduced},
       .call = norm,
       .pure = true},
      {.name = "Tensor:cumsum",
       .doc = "Adds up from the start along a dimension.",
       .args = {kDim},
       .returns = {kTensor},
       .call = cumsum,
       .pure = true},
      {.name = "Tensor:sort",
       .doc = "Sorts along a dimension; equal elements keep their order.",
       .args = {kDim, {"descending", "boolean?", "", "false"}},
       .returns = {{"values", "Tensor", ""}, {"positions", "Tensor", "from 1"}},
       .call = sort,
       .pure = true},
      {.name = "Tensor:topk",
       .doc = "Finds the k largest elements along a dimension, largest first.",
       .args = {{"k", "integer", "", "", 0, 1e9}, {"dim", "integer?", "", "-1"}},
       .returns = {{"values", "Tensor", ""}, {"positions", "Tensor", "from 1"}},
       .call = topk,
       .errors = "when k is larger than the dimension",
       .pure = true},
      {.name = "Tensor:quantile",
       .doc =
           "Finds the value below which a share of all elements lies (linear between neighbours).",
       .args = {{"share", "number", "", "", 0, 1}},
       .returns = {{"", "number", ""}},
       .call = quantile,
       .pure = true},
      {.name = "Tensor:unique",
       .doc = "Finds the different elements, sorted, and how often each occurs.",
       .args = {},
       .returns = {{"values", "Tensor", ""}, {"counts", "Tensor", "int64"}},
       .call = unique,
       .pure = true},
      {.name = "Tensor:bincount",
       .doc = "Counts how often each whole number from 0 occurs.",
       .args = {{"least", "integer?", "length of the result at least", "0", 0, 1e9}},
       .returns = {{"", "Tensor", "int64"}},
       .call = bincount,
       .pure = true},
      {.name = "Tensor:equal",
       .doc = "Tells whether dtype, shape and every element are equal.",
       .args = {{"other", "Tensor", ""}},
       .returns = {{"", "boolean", ""}},
       .call = equal},
      {.name = "Tensor:close",
       .doc = "Tells whether shapes are equal and elements differ by at most atol + rtol |other|.",
       .args = {{"other", "Tensor", ""},
                {"rtol", "number?", "", "1e-5", 0},
                {"atol", "number?", "", "1e-8", 0}},
       .returns = {{"", "boolean", ""}},
       .call = close},
      {.name = "Tensor:difference",
       .doc = "Takes the largest absolute difference.",
       .args = {{"other", "Tensor", ""}},
       .returns = {{"", "number", ""}},
       .call = difference,
       .errors = "when shapes differ"},
  };
  list.insert(list.end(), functions.begin(), functions.end());
}

}  // namespace rmkv::lua
