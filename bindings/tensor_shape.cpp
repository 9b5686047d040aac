// Tensor methods: facts, conversion, other shapes of the same elements.
#include "bindings/host.h"
#include "bindings/tensor_args.h"
#include "bindings/tensor_operations.h"
#include "bindings/tensor_text.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

const Field kTensor{"", "Tensor", ""};
const Field kDim{"dim", "integer", "from 1, or from -1 backwards"};

int shape(Call& c) {
  return c.push(tensor_arg(c, 1).sizes().vec());
}
int rank(Call& c) {
  return c.push(tensor_arg(c, 1).dim());
}
int count(Call& c) {
  return c.push(tensor_arg(c, 1).numel());
}
int dtype(Call& c) {
  return c.push(dtype_name(tensor_arg(c, 1).scalar_type()));
}
int device(Call& c) {
  return c.push(device_name(tensor_arg(c, 1).device()));
}

int size(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return c.push(x.size(dimension_arg(c, 2, x.dim())));
}

int bytes(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return c.push(static_cast<int64_t>(x.numel() * static_cast<int64_t>(x.element_size())));
}

int item(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  if (x.numel() != 1) fail("object", tensor_text(x), "one element");
  return push_scalar(c, x);
}

int pack(Call& c) {
  const Tensor flat = tensor_arg(c, 1).detach().to(at::kCPU).contiguous();
  return c.push(std::string_view(static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()));
}

int totable(Call& c) {
  return push_nested(c, tensor_arg(c, 1));
}

int to(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  std::string target = c.string(2);
  if (target.rfind("cpu", 0) == 0 || target.rfind("cuda", 0) == 0)
    return push_tensor(c, x.to(parse_device(target)));
  return push_tensor(c, x.to(parse_dtype(target)));
}

int clone(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).clone());
}
int contiguous(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).contiguous());
}

int release(Call& c) {
  c.host.handles().release(*handle_at(c.L, 1));
  return 0;
}

int reshape(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).reshape(c.integers(2)));
}
int flatten(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).flatten());
}
int expand(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).expand(c.integers(2)));
}

int repeat(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  std::vector<int64_t> times = c.integers(2);
  if (static_cast<int64_t>(times.size()) < x.dim())
    fail("times", std::to_string(times.size()) + " numbers", "at least one for each dimension");
  for (int64_t n : times)
    if (n < 0) fail("times", std::to_string(n), "at least 0");
  return push_tensor(c, x.repeat(times));
}

int transpose(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  if (!c.has(2) && x.dim() == 2) return push_tensor(c, x.t());
  return push_tensor(c, x.transpose(dimension_arg(c, 2, x.dim()), dimension_arg(c, 3, x.dim())));
}

int permute(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  std::vector<int64_t> order = c.integers(2);
  for (int64_t& d : order) {
    if (d == 0 || d > x.dim() || d < -x.dim())
      fail("order", std::to_string(d), "dimensions 1 .. " + std::to_string(x.dim()));
    if (d > 0) --d;
  }
  return push_tensor(c, x.permute(order));
}

int squeeze(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, c.has(2) ? x.squeeze(dimension_arg(c, 2, x.dim())) : x.squeeze());
}

int unsqueeze(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, x.unsqueeze(dimension_arg(c, 2, x.dim() + 1)));
}

int flip(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, x.flip(dimension_arg(c, 2, x.dim())));
}

int roll(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, x.roll(c.integer(2), dimension_arg(c, 3, x.dim())));
}

int length(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  if (x.dim() == 0) fail("object", tensor_text(x), "at least one dimension");
  return c.push(x.size(0));
}

int summary(Call& c) {
  return c.push(tensor_full(tensor_arg(c, 1), 100));
}

}  // namespace

void add_shape_operations(std::vector<Function>& list) {
  const Field sizes{"sizes", "shape", "a list, or the numbers one by one; one size may be -1"};
  const Field more{"...", "...", ""};
  const Field integer{"", "integer", ""};
  const std::vector<Function> functions = {
      {.name = "Tensor:shape",
       .doc = "Returns the sizes.",
       .args = {},
       .returns = {{"", "list", ""}},
       .call = shape},
      {.name = "Tensor:size",
       .doc = "Returns the size of a dimension.",
       .args = {kDim},
       .returns = {integer},
       .call = size},
      {.name = "Tensor:rank",
       .doc = "Returns the number of dimensions.",
       .args = {},
       .returns = {integer},
       .call = rank},
      {.name = "Tensor:count",
       .doc = "Returns the number of elements.",
       .args = {},
       .returns = {integer},
       .call = count},
      {.name = "Tensor:bytes",
       .doc = "Returns the bytes of the elements.",
       .args = {},
       .returns = {{"", "integer", "", "", -HUGE_VAL, HUGE_VAL, "bytes"}},
       .call = bytes},
      {.name = "Tensor:dtype",
       .doc = "Returns the name of the dtype.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = dtype},
      {.name = "Tensor:device",
       .doc = "Returns the name of the device.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = device},
      {.name = "Tensor:item",
       .doc = "Returns the only element.",
       .args = {},
       .returns = {{"", "number|boolean", ""}},
       .call = item,
       .errors = "when there is more than one"},
      {.name = "Tensor:pack",
       .doc = "Returns the raw little-endian bytes of all elements, in order.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = pack},
      {.name = "Tensor:totable",
       .doc = "Returns the elements as nested lists.",
       .args = {},
       .returns = {{"", "table|number|boolean", ""}},
       .call = totable},
      {.name = "Tensor:to",
       .doc = "Converts to a dtype or moves to a device.",
       .args = {{"target", "string", "\"bf16\", \"int64\", \"cpu\", \"cuda\" …"}},
       .returns = {kTensor},
       .call = to,
       .errors = "on an unknown name",
       .pure = true},
      {.name = "Tensor:clone",
       .doc = "Copies.",
       .args = {},
       .returns = {kTensor},
       .call = clone,
       .pure = true},
      {.name = "Tensor:contiguous",
       .doc = "Copies when the elements do not lie in order.",
       .args = {},
       .returns = {kTensor},
       .call = contiguous,
       .pure = true},
      {.name = "Tensor:release",
       .doc = "Frees now instead of when collected; later use raises.",
       .args = {},
       .returns = {},
       .call = release},
      {.name = "Tensor:summary",
       .doc = "Returns one line of facts and a few corners as text.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = summary},
      {.name = "Tensor:reshape",
       .doc = "Gives the elements other sizes; a view where possible.",
       .args = {sizes, more},
       .returns = {kTensor},
       .call = reshape,
       .errors = "when the numbers of elements differ"},
      {.name = "Tensor:flatten",
       .doc = "Gives the elements as one row.",
       .args = {},
       .returns = {kTensor},
       .call = flatten},
      {.name = "Tensor:expand",
       .doc = "Repeats dimensions of size 1 without copying.",
       .args = {sizes, more},
       .returns = {kTensor},
       .call = expand,
       .errors = "when another size would change"},
      {.name = "Tensor:repeats",
       .doc = "Repeats the whole tensor along each dimension.",
       .args = {{"times", "shape", ""}, more},
       .returns = {kTensor},
       .call = repeat,
       .pure = true},
      {.name = "Tensor:transpose",
       .doc = "Swaps two dimensions; of a matrix both may be left out.",
       .args = {{"dim_a", "integer?", "", "1"}, {"dim_b", "integer?", "", "2"}},
       .returns = {kTensor},
       .call = transpose},
      {.name = "Tensor:permute",
       .doc = "Reorders the dimensions.",
       .args = {{"order", "shape", "each dimension once"}, more},
       .returns = {kTensor},
       .call = permute},
      {.name = "Tensor:squeeze",
       .doc = "Drops dimensions of size 1.",
       .args = {{"dim", "integer?", "", "all"}},
       .returns = {kTensor},
       .call = squeeze},
      {.name = "Tensor:unsqueeze",
       .doc = "Inserts a dimension of size 1.",
       .args = {kDim},
       .returns = {kTensor},
       .call = unsqueeze},
      {.name = "Tensor:flip",
       .doc = "Reverses a dimension.",
       .args = {kDim},
       .returns = {kTensor},
       .call = flip,
       .pure = true},
      {.name = "Tensor:roll",
       .doc = "Shifts a dimension round.",
       .args = {{"shift", "integer", ""}, kDim},
       .returns = {kTensor},
       .call = roll,
       .pure = true},
      {.name = "Tensor:__len",
       .doc = "Returns the first size.",
       .args = {{"same", "any?", ""}},
       .returns = {integer},
       .call = length},
  };
  list.insert(list.end(), functions.begin(), functions.end());
}

}  // namespace rmkv::lua
