// Tensor methods: facts, conversion, views, indexing.
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

int select(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  int64_t d = dimension_arg(c, 2, x.dim());
  return push_tensor(c, x.select(d, position_arg(c, 3, x.size(d))));
}

int narrow(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  int64_t d = dimension_arg(c, 2, x.dim());
  int64_t first = position_arg(c, 3, x.size(d)), length = c.integer(4);
  if (length < 0 || first + length > x.size(d)) {
    fail("count", std::to_string(length),
         "0 .. " + std::to_string(x.size(d) - first) + " from there");
  }
  return push_tensor(c, x.narrow(d, first, length));
}

int index_select(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  int64_t d = dimension_arg(c, 2, x.dim());
  return push_tensor(c, x.index_select(d, positions_arg(c, 3, x.size(d)).to(x.device())));
}

int gather(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  int64_t d = dimension_arg(c, 2, x.dim());
  return push_tensor(c, x.gather(d, positions_arg(c, 3, x.size(d)).to(x.device())));
}

// Rows by token id: ids are raw, from 0.
int rows(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  if (x.dim() != 2) fail("object", tensor_text(x), "[V, C]");
  Tensor ids = tokens_arg(c, 2);
  if (ids.numel() && (ids.min().item<int64_t>() < 0 || ids.max().item<int64_t>() >= x.size(0))) {
    fail("ids",
         "ids " + std::to_string(ids.min().item<int64_t>()) + " .. " +
             std::to_string(ids.max().item<int64_t>()),
         "0 .. " + std::to_string(x.size(0) - 1));
  }
  bool flat = !c.is<Tensor>(2) ? ids.size(0) == 1 : tensor_arg(c, 2).dim() == 1;
  Tensor out = x.index_select(0, ids.flatten().to(x.device()));
  return push_tensor(c, flat ? out : out.reshape({ids.size(0), ids.size(1), x.size(1)}));
}

int masked_select(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).masked_select(tensor_arg(c, 2)));
}
int masked_fill(Call& c) {
  return push_tensor(c, tensor_arg(c, 1).masked_fill(tensor_arg(c, 2), c.number(3)));
}

// The element (or part) at the given leading positions.
Tensor part_at(Call& c, int first) {
  Tensor x = tensor_arg(c, 1);
  if (c.count() - first + 1 > x.dim())
    fail("positions", std::to_string(c.count() - first + 1),
         "at most " + std::to_string(x.dim()) + " for " + tensor_text(x));
  for (int i = first; i <= c.count(); ++i) x = x.select(0, position_arg(c, i, x.size(0)));
  return x;
}

int at_position(Call& c) {
  Tensor x = part_at(c, 2);
  return x.dim() == 0 ? push_scalar(c, x) : push_tensor(c, x);
}

int put(Call& c) {
  Tensor x = part_at(c, 3);
  if (c.is<Tensor>(2))
    x.copy_(tensor_arg(c, 2));
  else if (lua_isboolean(c.L, 2))
    x.fill_(c.boolean(2));
  else
    x.fill_(c.number(2));
  lua_settop(c.L, 1);
  return 1;
}

int copy(Call& c) {
  tensor_arg(c, 1).copy_(tensor_arg(c, 2));
  lua_settop(c.L, 1);
  return 1;
}

int fill(Call& c) {
  tensor_arg(c, 1).fill_(c.number(2));
  lua_settop(c.L, 1);
  return 1;
}

int split(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  std::vector<Tensor> parts = x.split(c.integer(2), c.has(3) ? dimension_arg(c, 3, x.dim()) : 0);
  lua_createtable(c.L, static_cast<int>(parts.size()), 0);
  for (size_t i = 0; i < parts.size(); ++i) {
    push_tensor(c, parts[i]);
    lua_rawseti(c.L, -2, static_cast<int>(i + 1));
  }
  return 1;
}

int one_hot(Call& c) {
  Tensor ids = tensor_arg(c, 1).to(at::kLong);
  int64_t classes = c.integer(2);
  if (ids.numel() && (ids.min().item<int64_t>() < 0 || ids.max().item<int64_t>() >= classes)) {
    fail("object", "ids up to " + std::to_string(ids.max().item<int64_t>()),
         "ids 0 .. " + std::to_string(classes - 1));
  }
  return push_tensor(c, at::one_hot(ids, classes).to(at::kFloat));
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
  const Field integer{"", "integer", ""}, object{"", "Tensor", "the object"};
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
      {.name = "Tensor:select",
       .doc = "Returns the part at one position of a dimension; a view.",
       .args = {kDim, {"position", "integer", ""}},
       .returns = {kTensor},
       .call = select},
      {.name = "Tensor:narrow",
       .doc = "Returns a range of a dimension; a view.",
       .args = {kDim, {"first", "integer", ""}, {"count", "integer", ""}},
       .returns = {kTensor},
       .call = narrow},
      {.name = "Tensor:index_select",
       .doc = "Returns the given positions of a dimension.",
       .args = {kDim, {"positions", "shape|Tensor", "from 1"}},
       .returns = {kTensor},
       .call = index_select,
       .pure = true},
      {.name = "Tensor:gather",
       .doc = "Takes one element per position along a dimension.",
       .args = {kDim, {"positions", "Tensor", "int64, from 1"}},
       .returns = {kTensor},
       .call = gather,
       .pure = true},
      {.name = "Tensor:rows",
       .doc = "Returns the rows of a [V, C] table for token ids (from 0).",
       .args = {{"ids", "shape|Tensor", ""}},
       .returns = {kTensor},
       .call = rows,
       .pure = true},
      {.name = "Tensor:masked_select",
       .doc = "Returns the elements where a mask holds, as one row.",
       .args = {{"mask", "Tensor", "bool"}},
       .returns = {kTensor},
       .call = masked_select,
       .pure = true},
      {.name = "Tensor:masked_fill",
       .doc = "Replaces elements where a mask holds.",
       .args = {{"mask", "Tensor", "bool"}, {"value", "number", ""}},
       .returns = {kTensor},
       .call = masked_fill,
       .pure = true},
      {.name = "Tensor:at",
       .doc = "Returns the number, or the part, at leading positions.",
       .args = {more},
       .returns = {{"", "number|boolean|Tensor", ""}},
       .call = at_position},
      {.name = "Tensor:put",
       .doc = "Writes at leading positions, in place.",
       .args = {{"value", "number|boolean|Tensor", ""}, more},
       .returns = {object},
       .call = put},
      {.name = "Tensor:copy",
       .doc = "Takes the elements of another tensor, in place.",
       .args = {{"source", "Tensor", ""}},
       .returns = {object},
       .call = copy},
      {.name = "Tensor:fill",
       .doc = "Sets every element, in place.",
       .args = {{"value", "number", ""}},
       .returns = {object},
       .call = fill},
      {.name = "Tensor:split",
       .doc = "Cuts a dimension into pieces of a length; views.",
       .args = {{"length", "integer", "", "", 1, 1e15}, {"dim", "integer?", "", "1"}},
       .returns = {{"", "list", "of Tensor"}},
       .call = split},
      {.name = "Tensor:one_hot",
       .doc = "Turns ids (from 0) into rows with a single 1.",
       .args = {{"classes", "integer", "", "", 1, 1e9}},
       .returns = {{"", "Tensor", "fp32 [.., classes]"}},
       .call = one_hot,
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
