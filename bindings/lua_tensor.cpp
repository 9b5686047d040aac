// Module rmkv.tensor: making tensors, files, and the list of all operations.
//
// The operations are in tensor_shape.cpp, tensor_index.cpp, tensor_math.cpp, tensor_reduce.cpp and
// tensor_linear.cpp, one descriptor each.
#include "bindings/modules.h"
#include "bindings/tensor_args.h"
#include "bindings/tensor_operations.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

constexpr double kExact = 9007199254740992.0;  // 2^53

const Field kShape{"shape", "shape", "a list of sizes, or one size", "", 0, kExact};
const Field kOptions{
    "options",
    "options?",
    "",
    "",
    -HUGE_VAL,
    HUGE_VAL,
    "",
    {{"dtype", "string?", "fp32, bf16, fp16, fp64, int64, int32, uint8 or bool", "\"fp32\""},
     {"device", "string?", "", "\"cpu\""}}};
const Field kRandomOptions{"options",
                           "options?",
                           "",
                           "",
                           -HUGE_VAL,
                           HUGE_VAL,
                           "",
                           {{"seed", "integer?", "equal seeds give equal numbers", "0", 0, kExact},
                            {"step", "integer?", "another draw of the same seed", "0", 0, kExact},
                            {"dtype", "string?", "", "\"fp32\""},
                            {"device", "string?", "", "\"cpu\""}}};
const Field kTensor{"", "Tensor", ""};

std::vector<int64_t> shape_arg(const Call& c, int index) {
  std::vector<int64_t> shape =
      lua_istable(c.L, index) ? c.integers(index) : std::vector<int64_t>{c.integer(index)};
  double elements = 1;
  for (int64_t size : shape) {
    if (size < 0) fail(c.argument_name(index), shape_text(shape), "sizes of at least 0");
    elements *= static_cast<double>(size);
  }
  // 2^40 elements: above it the request is a slip, not a tensor.
  if (elements > 1099511627776.0)
    fail(c.argument_name(index), shape_text(shape), "fewer than 2^40 elements");
  return shape;
}

int zeros(Call& c) {
  return push_tensor(c, at::zeros(shape_arg(c, 1), tensor_options(c.table(2))));
}
int ones(Call& c) {
  return push_tensor(c, at::ones(shape_arg(c, 1), tensor_options(c.table(2))));
}
int full(Call& c) {
  return push_tensor(c, at::full(shape_arg(c, 1), c.number(2), tensor_options(c.table(3))));
}
int from(Call& c) {
  return push_tensor(c, tensor_from(c, 1, c.table(2)));
}

int arange(Call& c) {
  double step = c.number(3, 1.0);
  if (step == 0) fail("step", "0", "a number other than 0");
  Tensor numbers = at::arange(c.number(1), c.number(2) + step / 2, step, at::kDouble);
  Table options = c.table(4);
  return push_tensor(
      c, numbers.to(device_option(options), dtype_option(options, "dtype", at::kFloat)));
}

int linspace(Call& c) {
  return push_tensor(
      c, at::linspace(c.number(1), c.number(2), c.integer(3), tensor_options(c.table(4))));
}

int eye(Call& c) {
  return push_tensor(c, at::eye(c.integer(1), tensor_options(c.table(2))));
}

// Fills from a RandomStream, so that numbers do not depend on how many were drawn before.
template <auto Draw>
Tensor random_tensor(const std::vector<int64_t>& shape, const Table& options, const char* purpose) {
  auto whole = [&](const char* key) {
    const Value* value = find(options, key);
    return value ? static_cast<uint64_t>(value->as_int()) : 0;
  };
  RandomStream random(whole("seed"), purpose, whole("step"));
  Tensor tensor = at::empty(shape, at::kDouble);
  double* data = tensor.data_ptr<double>();
  for (int64_t i = 0; i < tensor.numel(); ++i) data[i] = Draw(random);
  return tensor;
}

int rand_uniform(Call& c) {
  Table options = c.table(2);
  Tensor x = random_tensor<[](RandomStream& r) { return r.uniform(); }>(shape_arg(c, 1), options,
                                                                        "tensor.rand");
  return push_tensor(c, x.to(device_option(options), dtype_option(options, "dtype", at::kFloat)));
}

int rand_normal(Call& c) {
  Table options = c.table(2);
  Tensor x = random_tensor<[](RandomStream& r) { return r.normal(); }>(shape_arg(c, 1), options,
                                                                       "tensor.randn");
  return push_tensor(c, x.to(device_option(options), dtype_option(options, "dtype", at::kFloat)));
}

int rand_integer(Call& c) {
  int64_t low = c.integer(2), high = c.integer(3);
  if (high < low) fail("high", std::to_string(high), "at least " + std::to_string(low));
  Table options = c.table(4);
  Tensor x = random_tensor<[](RandomStream& r) { return r.uniform(); }>(shape_arg(c, 1), options,
                                                                        "tensor.randint");
  x = (x * static_cast<double>(high - low + 1)).floor() + static_cast<double>(low);
  return push_tensor(c, x.to(device_option(options), dtype_option(options, "dtype", at::kLong)));
}

int rand_permutation(Call& c) {
  Table options = c.table(2);
  Tensor keys = random_tensor<[](RandomStream& r) { return r.uniform(); }>({c.integer(1)}, options,
                                                                           "tensor.randperm");
  return push_tensor(c, keys.argsort() + 1);
}

std::vector<Tensor> tensor_list(const Call& c, int index) {
  std::vector<Tensor> list;
  int size = static_cast<int>(lua_objlen(c.L, index));
  if (size == 0) fail(c.argument_name(index), "an empty list", "at least one Tensor");
  for (int i = 1; i <= size; ++i) {
    lua_rawgeti(c.L, index, i);
    list.push_back(tensor_arg(c, lua_gettop(c.L)));
    lua_pop(c.L, 1);
  }
  return list;
}

int cat(Call& c) {
  std::vector<Tensor> list = tensor_list(c, 1);
  return push_tensor(c, at::cat(list, c.has(2) ? dimension_arg(c, 2, list[0].dim()) : 0));
}

int stack(Call& c) {
  std::vector<Tensor> list = tensor_list(c, 1);
  return push_tensor(c, at::stack(list, c.has(2) ? dimension_arg(c, 2, list[0].dim() + 1) : 0));
}

int where(Call& c) {
  const Tensor& condition = tensor_arg(c, 1);
  if (condition.scalar_type() != at::kBool) fail("condition", tensor_text(condition), "bool");
  Tensor like = c.is<Tensor>(2)   ? tensor_arg(c, 2)
                : c.is<Tensor>(3) ? tensor_arg(c, 3)
                                  : at::zeros({});
  return push_tensor(
      c, at::where(condition, tensor_or_number(c, 2, like), tensor_or_number(c, 3, like)));
}

int load(Call& c) {
  return push_tensors(c, read_safetensors(c.string(1)).tensors);
}
int save(Call& c) {
  return c.push(write_safetensors(c.string(1), tensors_arg(c, 2)));
}

}  // namespace

Module tensor_module() {
  Module module{
      .name = "rmkv.tensor",
      .doc =
          "tensors for probing and small experiments; models and training steps work inside the "
          "program",
      .functions =
          {
              {.name = "rmkv.tensor.zeros",
               .doc = "Makes a tensor of zeros.",
               .args = {kShape, kOptions},
               .returns = {kTensor},
               .call = zeros,
               .pure = true},
              {.name = "rmkv.tensor.ones",
               .doc = "Makes a tensor of ones.",
               .args = {kShape, kOptions},
               .returns = {kTensor},
               .call = ones,
               .pure = true},
              {.name = "rmkv.tensor.full",
               .doc = "Makes a tensor of one value.",
               .args = {kShape, {"value", "number", ""}, kOptions},
               .returns = {kTensor},
               .call = full,
               .pure = true},
              {.name = "rmkv.tensor.from",
               .doc = "Makes a tensor from a number, a boolean or nested lists of them.",
               .args = {{"values", "table|number|boolean", ""}, kOptions},
               .returns = {kTensor},
               .call = from,
               .errors = "when rows differ in length",
               .pure = true},
              {.name = "rmkv.tensor.arange",
               .doc = "Makes the numbers from first to last, both included.",
               .args = {{"first", "number", ""},
                        {"last", "number", ""},
                        {"step", "number?", "", "1"},
                        kOptions},
               .returns = {kTensor},
               .call = arange,
               .errors = "when step is 0",
               .pure = true},
              {.name = "rmkv.tensor.linspace",
               .doc = "Makes evenly spaced numbers, both ends included.",
               .args = {{"first", "number", ""},
                        {"last", "number", ""},
                        {"count", "integer", "", "", 0, kExact},
                        kOptions},
               .returns = {kTensor},
               .call = linspace,
               .pure = true},
              {.name = "rmkv.tensor.eye",
               .doc = "Makes an identity matrix.",
               .args = {{"size", "integer", "", "", 0, 1e6}, kOptions},
               .returns = {kTensor},
               .call = eye,
               .pure = true},
              {.name = "rmkv.tensor.rand",
               .doc = "Draws uniform numbers from [0, 1).",
               .args = {kShape, kRandomOptions},
               .returns = {kTensor},
               .call = rand_uniform,
               .pure = true},
              {.name = "rmkv.tensor.randn",
               .doc = "Draws normal numbers, mean 0, deviation 1.",
               .args = {kShape, kRandomOptions},
               .returns = {kTensor},
               .call = rand_normal,
               .pure = true},
              {.name = "rmkv.tensor.randint",
               .doc = "Draws whole numbers from low to high, both included; int64 unless asked.",
               .args = {kShape, {"low", "integer", ""}, {"high", "integer", ""}, kRandomOptions},
               .returns = {kTensor},
               .call = rand_integer,
               .errors = "when high is below low",
               .pure = true},
              {.name = "rmkv.tensor.randperm",
               .doc = "Draws an order of the positions 1 .. size.",
               .args = {{"size", "integer", "", "", 0, 1e9}, kRandomOptions},
               .returns = {{"", "Tensor", "int64 [size]"}},
               .call = rand_permutation,
               .pure = true},
              {.name = "rmkv.tensor.cat",
               .doc = "Joins tensors along a dimension.",
               .args = {{"tensors", "list", ""}, {"dim", "integer?", "", "1"}},
               .returns = {kTensor},
               .call = cat,
               .errors = "when the other sizes differ",
               .pure = true},
              {.name = "rmkv.tensor.stack",
               .doc = "Joins tensors of equal shape along a new dimension.",
               .args = {{"tensors", "list", ""}, {"dim", "integer?", "", "1"}},
               .returns = {kTensor},
               .call = stack,
               .errors = "when shapes differ",
               .pure = true},
              {.name = "rmkv.tensor.where",
               .doc = "Takes values of a where the condition holds, of b elsewhere.",
               .args = {{"condition", "Tensor", "bool"},
                        {"a", "Tensor|number", ""},
                        {"b", "Tensor|number", ""}},
               .returns = {kTensor},
               .call = where,
               .pure = true},
              {.name = "rmkv.tensor.load",
               .doc = "Reads a safetensors file.",
               .args = {{"path", "string", ""}},
               .returns = {{"", "table", "name = Tensor"}},
               .call = load,
               .errors = "when the file is missing or damaged"},
              {.name = "rmkv.tensor.save",
               .doc = "Writes a safetensors file atomically.",
               .args = {{"path", "string", ""}, {"tensors", "table", "name = Tensor"}},
               .returns = {{"", "string", "hash of the file"}},
               .call = save,
               .errors = "when it cannot be written"},
          },
      .classes = {&class_of<Tensor>()}};
  add_shape_operations(module.functions);
  add_index_operations(module.functions);
  add_math_operations(module.functions);
  add_reduce_operations(module.functions);
  add_linear_operations(module.functions);
  return module;
}

}  // namespace rmkv::lua
