// Tensor methods that work element by element, and the arithmetic operators.
#include "bindings/tensor_args.h"
#include "bindings/tensor_operations.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

const Field kTensor{"", "Tensor", ""};
const Field kOther{"other", "Tensor|number", "broadcast"};

template <auto Operation>
int unary(Call& c) {
  return push_tensor(c, Operation(tensor_arg(c, 1)));
}

// Operators may have the number on the left.
template <auto Operation>
int binary(Call& c) {
  const Tensor& like = c.is<Tensor>(1) ? tensor_arg(c, 1) : tensor_arg(c, 2);
  return push_tensor(c, Operation(tensor_or_number(c, 1, like), tensor_or_number(c, 2, like)));
}

struct Unary {
  const char* name;
  const char* doc;
  int (*call)(Call&);
};

struct Binary {
  const char* name;
  const char* doc;
  int (*call)(Call&);
  const char* operator_name = nullptr;
};

using T = const Tensor&;

const Unary kUnary[] = {
    {"neg", "Negates.", unary<[](T x) { return at::neg(x); }>},
    {"abs", "Takes absolute values.", unary<[](T x) { return at::abs(x); }>},
    {"sign", "Takes signs: -1, 0 or 1.", unary<[](T x) { return at::sign(x); }>},
    {"exp", "Takes exponentials.", unary<[](T x) { return at::exp(x); }>},
    {"log", "Takes natural logarithms.", unary<[](T x) { return at::log(x); }>},
    {"log1p", "Takes log(1 + x).", unary<[](T x) { return at::log1p(x); }>},
    {"sqrt", "Takes square roots.", unary<[](T x) { return at::sqrt(x); }>},
    {"rsqrt", "Takes 1 / sqrt(x).", unary<[](T x) { return at::rsqrt(x); }>},
    {"square", "Takes squares.", unary<[](T x) { return at::square(x); }>},
    {"reciprocal", "Takes 1 / x.", unary<[](T x) { return at::reciprocal(x); }>},
    {"sin", "Takes sines.", unary<[](T x) { return at::sin(x); }>},
    {"cos", "Takes cosines.", unary<[](T x) { return at::cos(x); }>},
    {"tanh", "Takes hyperbolic tangents.", unary<[](T x) { return at::tanh(x); }>},
    {"sigmoid", "Takes 1 / (1 + exp(-x)).", unary<[](T x) { return at::sigmoid(x); }>},
    {"relu", "Takes max(x, 0).", unary<[](T x) { return at::relu(x); }>},
    {"gelu", "Takes the Gaussian error linear unit.", unary<[](T x) { return at::gelu(x); }>},
    {"silu", "Takes x sigmoid(x).", unary<[](T x) { return at::silu(x); }>},
    {"softplus", "Takes log(1 + exp(x)).", unary<[](T x) { return at::softplus(x); }>},
    {"floor", "Rounds down.", unary<[](T x) { return at::floor(x); }>},
    {"ceil", "Rounds up.", unary<[](T x) { return at::ceil(x); }>},
    {"round", "Rounds to the nearest, halves to even.", unary<[](T x) { return at::round(x); }>},
    {"isnan", "Tells where elements are NaN.", unary<[](T x) { return at::isnan(x); }>},
    {"isfinite", "Tells where elements are neither NaN nor infinite.",
     unary<[](T x) { return at::isfinite(x); }>},
    {"logical_not", "Turns true into false and back.",
     unary<[](T x) { return at::logical_not(x); }>},
};

const Binary kBinary[] = {
    {"add", "Adds.", binary<[](T a, T b) { return at::add(a, b); }>, "__add"},
    {"sub", "Subtracts.", binary<[](T a, T b) { return at::sub(a, b); }>, "__sub"},
    {"mul", "Multiplies element by element.", binary<[](T a, T b) { return at::mul(a, b); }>,
     "__mul"},
    {"div", "Divides; whole numbers give fp32.", binary<[](T a, T b) { return at::div(a, b); }>,
     "__div"},
    {"pow", "Raises to a power.", binary<[](T a, T b) { return at::pow(a, b); }>, "__pow"},
    {"remainder", "Takes the remainder with the sign of the divisor.",
     binary<[](T a, T b) { return at::remainder(a, b); }>, "__mod"},
    {"maximum", "Takes the larger of each pair.",
     binary<[](T a, T b) { return at::maximum(a, b.to(a.scalar_type())); }>},
    {"minimum", "Takes the smaller of each pair.",
     binary<[](T a, T b) { return at::minimum(a, b.to(a.scalar_type())); }>},
    {"eq", "Tells where elements are equal.", binary<[](T a, T b) { return at::eq(a, b); }>},
    {"ne", "Tells where elements differ.", binary<[](T a, T b) { return at::ne(a, b); }>},
    {"lt", "Tells where elements are smaller.", binary<[](T a, T b) { return at::lt(a, b); }>},
    {"le", "Tells where elements are smaller or equal.",
     binary<[](T a, T b) { return at::le(a, b); }>},
    {"gt", "Tells where elements are larger.", binary<[](T a, T b) { return at::gt(a, b); }>},
    {"ge", "Tells where elements are larger or equal.",
     binary<[](T a, T b) { return at::ge(a, b); }>},
    {"logical_and", "Tells where both hold.",
     binary<[](T a, T b) { return at::logical_and(a, b); }>},
    {"logical_or", "Tells where either holds.",
     binary<[](T a, T b) { return at::logical_or(a, b); }>},
};

int clamp(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  double low = c.number(2), high = c.number(3);
  if (high < low) fail("high", std::to_string(high), "at least " + std::to_string(low));
  return push_tensor(c, at::clamp(x, low, high));
}

int lerp(Call& c) {
  return push_tensor(c, at::lerp(tensor_arg(c, 1), tensor_arg(c, 2), c.number(3)));
}

template <auto Operation>
int in_place(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  Operation(x, tensor_or_number(c, 2, x));
  lua_settop(c.L, 1);
  return 1;
}

}  // namespace

void add_math_operations(std::vector<Function>& list) {
  for (const Unary& entry : kUnary) {
    list.push_back({.name = std::string("Tensor:") + entry.name,
                    .doc = entry.doc,
                    .args = {},
                    .returns = {kTensor},
                    .call = entry.call,
                    .pure = true});
  }
  for (const Binary& entry : kBinary) {
    list.push_back({.name = std::string("Tensor:") + entry.name,
                    .doc = entry.doc,
                    .args = {kOther},
                    .returns = {kTensor},
                    .call = entry.call,
                    .errors = "when shapes do not broadcast",
                    .pure = true});
    if (!entry.operator_name) continue;
    list.push_back({.name = std::string("Tensor:") + entry.operator_name,
                    .doc = entry.doc,
                    .args = {{"a", "Tensor|number", ""}, {"b", "Tensor|number", ""}},
                    .returns = {kTensor},
                    .call = entry.call,
                    .pure = true});
  }
  const Field object{"", "Tensor", "the object"};
  const std::vector<Function> functions = {
      {.name = "Tensor:clamp",
       .doc = "Limits elements to a range.",
       .args = {{"low", "number", ""}, {"high", "number", ""}},
       .returns = {kTensor},
       .call = clamp,
       .errors = "when high is below low",
       .pure = true},
      {.name = "Tensor:lerp",
       .doc = "Goes a part of the way to another tensor.",
       .args = {{"other", "Tensor", ""}, {"weight", "number", ""}},
       .returns = {kTensor},
       .call = lerp,
       .pure = true},
      {.name = "Tensor:add_in_place",
       .doc = "Adds, in place.",
       .args = {kOther},
       .returns = {object},
       .call = in_place<[](T x, T y) { x.add_(y); }>},
      {.name = "Tensor:mul_in_place",
       .doc = "Multiplies element by element, in place.",
       .args = {kOther},
       .returns = {object},
       .call = in_place<[](T x, T y) { x.mul_(y); }>},
      {.name = "Tensor:__unm",
       .doc = "Negates.",
       .args = {{"a", "Tensor", ""}, {"same", "any?", ""}},
       .returns = {kTensor},
       .call = unary<[](T x) { return at::neg(x); }>,
       .pure = true},
  };
  list.insert(list.end(), functions.begin(), functions.end());
}

}  // namespace rmkv::lua
