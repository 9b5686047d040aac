// Tensor methods: parts of a tensor by position, and writing into them.
#include "bindings/host.h"
#include "bindings/tensor_args.h"
#include "bindings/tensor_operations.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

const Field kTensor{"", "Tensor", ""};
const Field kDim{"dim", "integer", "from 1, or from -1 backwards"};

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

}  // namespace

void add_index_operations(std::vector<Function>& list) {
  const Field more{"...", "...", ""}, object{"", "Tensor", "the object"};
  const std::vector<Function> functions = {
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
  };
  list.insert(list.end(), functions.begin(), functions.end());
}

}  // namespace rmkv::lua
