// Reading and pushing tensors.
#include "bindings/tensor_args.h"

#include <cmath>

#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

template <>
const Class& class_of<Tensor>() {
  static const Class type{"Tensor",
                          "numbers in a grid of any rank; dimensions and positions count from 1, "
                          "negative ones from the end",
                          [](const void* object) -> size_t {
                            auto& tensor = *static_cast<const Tensor*>(object);
                            return tensor.has_storage() ? tensor.storage().nbytes() : 0;
                          },
                          [](const void* object) -> const void* {
                            auto& tensor = *static_cast<const Tensor*>(object);
                            return tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl()
                                                        : nullptr;
                          }};
  return type;
}

const Tensor& tensor_arg(const Call& c, int index) {
  return c.object<Tensor>(index);
}

Tensor tensor_or_number(const Call& c, int index, const Tensor& like) {
  if (c.is<Tensor>(index)) return tensor_arg(c, index);
  double x = c.number(index);
  // A fraction added to whole numbers makes fractions, as in mathematics.
  bool whole = at::isIntegralType(like.scalar_type(), true) && x == std::floor(x);
  at::ScalarType dtype = at::isIntegralType(like.scalar_type(), true)
                             ? (whole ? at::kLong : at::kFloat)
                             : like.scalar_type();
  // wrapped_number: the scalar does not widen the other operand's dtype.
  Tensor scalar =
      at::scalar_tensor(x, at::TensorOptions().dtype(dtype == at::kLong ? at::kLong : at::kDouble));
  scalar.unsafeGetTensorImpl()->set_wrapped_number(true);
  return scalar;
}

namespace {
int64_t from_one(const Call& c, int index, int64_t size, const char* what) {
  int64_t x = c.integer(index);
  if (x == 0 || x > size || x < -size) {
    fail(c.argument_name(index), std::to_string(x),
         size == 0 ? std::string("nothing: there is no ") + what
                   : std::string(what) + " 1 .. " + std::to_string(size) + " or -" +
                         std::to_string(size) + " .. -1");
  }
  return x > 0 ? x - 1 : x + size;
}
}  // namespace

int64_t dimension_arg(const Call& c, int index, int64_t rank) {
  return from_one(c, index, rank, "dimension");
}
int64_t position_arg(const Call& c, int index, int64_t size) {
  return from_one(c, index, size, "position");
}

Tensor positions_arg(const Call& c, int index, int64_t size) {
  Tensor positions;
  if (c.is<Tensor>(index)) {
    positions = tensor_arg(c, index);
    if (!at::isIntegralType(positions.scalar_type(), false))
      fail(c.argument_name(index), tensor_text(positions), "whole numbers");
    positions = positions.to(at::kLong);
  } else {
    positions = at::tensor(c.integers(index), at::kLong);
  }
  if (positions.numel() == 0) return positions;
  int64_t low = positions.min().item<int64_t>(), high = positions.max().item<int64_t>();
  if (low < -size || high > size || (positions == 0).any().item<bool>()) {
    fail(c.argument_name(index), "positions " + std::to_string(low) + " .. " + std::to_string(high),
         "positions 1 .. " + std::to_string(size) + " or from the end");
  }
  return at::where(positions > 0, positions - 1, positions + size);
}

Tensor tokens_arg(const Call& c, int index) {
  Tensor tokens;
  if (c.is<Tensor>(index)) {
    tokens = tensor_arg(c, index);
    if (!at::isIntegralType(tokens.scalar_type(), false))
      fail(c.argument_name(index), tensor_text(tokens), "token ids: whole numbers");
    tokens = tokens.to(at::kLong);
  } else {
    lua_rawgeti(c.L, index, 1);
    bool nested = lua_istable(c.L, -1);
    lua_pop(c.L, 1);
    tokens = nested ? tensor_from(c, index, {{"dtype", "int64"}})
                    : at::tensor(c.integers(index), at::kLong);
  }
  if (tokens.dim() == 1) tokens = tokens.unsqueeze(0);
  if (tokens.dim() != 2) fail(c.argument_name(index), shape_text(tokens.sizes()), "[T] or [B, T]");
  return tokens.contiguous();
}

at::ScalarType dtype_option(const Table& options, const char* key, at::ScalarType fallback) {
  const Value* dtype = find(options, key);
  return dtype ? parse_dtype(dtype->as_string()) : fallback;
}

at::Device device_option(const Table& options) {
  const Value* device = find(options, "device");
  return device ? parse_device(device->as_string()) : at::Device(at::kCPU);
}

at::TensorOptions tensor_options(const Table& options) {
  return at::TensorOptions()
      .dtype(dtype_option(options, "dtype", at::kFloat))
      .device(device_option(options));
}

namespace {

// Sizes of a nested list from its first items.
std::vector<int64_t> nested_shape(lua_State* L, int index) {
  std::vector<int64_t> shape;
  int top = lua_gettop(L);
  lua_pushvalue(L, index);
  while (lua_istable(L, -1)) {
    luaL_checkstack(L, 2, "nested list");
    if (shape.size() > 16) fail("list", "nesting deeper than 16", "a list of numbers");
    shape.push_back(static_cast<int64_t>(lua_objlen(L, -1)));
    lua_rawgeti(L, -1, 1);
  }
  lua_settop(L, top);
  return shape;
}

void read_nested(lua_State* L, int index, const std::vector<int64_t>& shape, size_t level,
                 std::vector<double>& out, bool& boolean) {
  if (level == shape.size()) {
    boolean = lua_isboolean(L, index);
    if (boolean)
      out.push_back(lua_toboolean(L, index));
    else if (lua_type(L, index) == LUA_TNUMBER)
      out.push_back(lua_tonumber(L, index));
    else
      fail("list", describe(L, index), "numbers");
    return;
  }
  if (!lua_istable(L, index) || static_cast<int64_t>(lua_objlen(L, index)) != shape[level]) {
    fail("list",
         lua_istable(L, index) ? std::to_string(lua_objlen(L, index)) + " items"
                               : describe(L, index),
         std::to_string(shape[level]) + " items, as in the first row");
  }
  luaL_checkstack(L, 2, "nested list");
  for (int64_t i = 1; i <= shape[level]; ++i) {
    lua_rawgeti(L, index, static_cast<int>(i));
    read_nested(L, lua_gettop(L), shape, level + 1, out, boolean);
    lua_pop(L, 1);
  }
}

}  // namespace

Tensor tensor_from(const Call& c, int index, const Table& options) {
  std::vector<int64_t> shape = nested_shape(c.L, index);
  std::vector<double> values;
  bool boolean = false;
  read_nested(c.L, index, shape, 0, values, boolean);
  at::ScalarType dtype = dtype_option(options, "dtype", boolean ? at::kBool : at::kFloat);
  Tensor tensor = at::empty(shape, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.data_ptr<double>());
  return tensor.to(device_option(options), dtype);
}

int push_tensor(const Call& c, const Tensor& tensor) {
  if (!tensor.defined()) return c.push_nil();
  return c.push_new<Tensor>(tensor.requires_grad() ? tensor.detach() : tensor);
}

int push_scalar(const Call& c, const Tensor& tensor) {
  if (tensor.scalar_type() == at::kBool) return c.push(tensor.item<bool>());
  return c.push(tensor.item<double>());
}

namespace {

void push_level(lua_State* L, const double* data, at::IntArrayRef sizes, bool boolean) {
  if (sizes.empty()) {
    if (boolean)
      lua_pushboolean(L, *data != 0);
    else
      lua_pushnumber(L, *data);
    return;
  }
  luaL_checkstack(L, 3, "nested list");
  int64_t stride = 1;
  for (size_t i = 1; i < sizes.size(); ++i) stride *= sizes[i];
  lua_createtable(L, static_cast<int>(sizes[0]), 0);
  for (int64_t i = 0; i < sizes[0]; ++i) {
    push_level(L, data + i * stride, sizes.slice(1), boolean);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
}

}  // namespace

int push_nested(const Call& c, const Tensor& tensor) {
  Tensor plain = tensor.to(at::kCPU, at::kDouble).contiguous();
  push_level(c.L, plain.data_ptr<double>(), plain.sizes(), tensor.scalar_type() == at::kBool);
  return 1;
}

int push_tensors(const Call& c, const std::map<std::string, Tensor>& tensors) {
  lua_createtable(c.L, 0, static_cast<int>(tensors.size()));
  for (const auto& [name, tensor] : tensors) {
    push_tensor(c, tensor);
    lua_setfield(c.L, -2, name.c_str());
  }
  return 1;
}

std::map<std::string, Tensor> tensors_arg(const Call& c, int index) {
  std::map<std::string, Tensor> tensors;
  lua_pushnil(c.L);
  while (lua_next(c.L, index)) {
    if (lua_type(c.L, -2) != LUA_TSTRING || !c.is<Tensor>(lua_gettop(c.L))) {
      fail(c.argument_name(index),
           describe(c.L, lua_gettop(c.L) - 1) + " = " + describe(c.L, lua_gettop(c.L)),
           "name = Tensor");
    }
    tensors[lua_tostring(c.L, -2)] = tensor_arg(c, lua_gettop(c.L));
    lua_pop(c.L, 1);
  }
  return tensors;
}

}  // namespace rmkv::lua
