// Module rmkv.state: what a model remembers, as a value to copy, edit, compare and save.
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

template <>
const Class& class_of<State>() {
  static const Class type{
      "State", "what a model remembers between tokens: named tensors and counters, a value",
      [](const void* object) -> size_t {
        return static_cast<size_t>(static_cast<const State*>(object)->size_bytes());
      },
      [](const void* object) -> const void* { return object; }};
  return type;
}

namespace {

State& state(const Call& c) {
  return c.object<State>(1);
}

std::vector<std::string> tensor_names(const State& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.tensors()) names.push_back(name);
  return names;
}

const Tensor& named(const State& state, const std::string& name) {
  if (!state.has(name))
    fail_because("name", unknown_name_text("tensor", name, tensor_names(state)));
  return state.get(name);
}

int copy(Call& c) {
  return c.push_new(State(state(c)));
}
int names(Call& c) {
  return c.push(tensor_names(state(c)));
}

// A copy: the state's own tensors are shared with its forks and must not change behind them.
int get(Call& c) {
  return push_tensor(c, named(state(c), c.string(2)).detach().clone());
}

int set(Call& c) {
  std::string name = c.string(2);
  const Tensor& old = named(state(c), name);
  const Tensor& value = tensor_arg(c, 3);
  if (value.sizes() != old.sizes())
    fail("value", shape_text(value.sizes()), shape_text(old.sizes()) + ", the shape of " + name);
  state(c).set(name, value.detach().to(old.device(), old.scalar_type()).clone());
  return 0;
}

int zero(Call& c) {
  std::vector<std::string> chosen;
  if (!c.has(2))
    chosen = tensor_names(state(c));
  else if (lua_type(c.L, 2) == LUA_TSTRING)
    chosen = {c.string(2)};
  else {
    Value list = c.value(2);
    for (const Value& item : list.as_list()) chosen.push_back(item.as_string());
  }
  for (const std::string& name : chosen) state(c).set(name, at::zeros_like(named(state(c), name)));
  return 0;
}

int counters(Call& c) {
  Table table;
  for (const auto& [name, value] : state(c).counters()) table[name] = value;
  return c.push(Value(table));
}

int set_counter(Call& c) {
  state(c).set_counter(c.string(2), c.integer(3));
  return 0;
}

int lanes(Call& c) {
  int64_t first = position_arg(c, 2, state(c).batch()), count = c.integer(3, 1);
  if (first + count > state(c).batch()) {
    fail("count", std::to_string(count),
         "1 .. " + std::to_string(state(c).batch() - first) + " from there");
  }
  return c.push_new(state(c).lanes(first, count));
}

int assign(Call& c) {
  std::vector<int64_t> places = c.integers(2);
  for (int64_t& lane : places) {
    if (lane < 1 || lane > state(c).batch())
      fail("lanes", std::to_string(lane), "1 .. " + std::to_string(state(c).batch()));
    --lane;
  }
  state(c).assign_lanes(places, c.object<State>(3));
  return 0;
}

int join(Call& c) {
  std::vector<State> states;
  int size = static_cast<int>(lua_objlen(c.L, 1));
  if (size == 0) fail("states", "an empty list", "at least one State");
  for (int i = 1; i <= size; ++i) {
    lua_rawgeti(c.L, 1, i);
    states.push_back(c.object<State>(lua_gettop(c.L)));
    lua_pop(c.L, 1);
  }
  return c.push_new(State::join(states));
}

int equals(Call& c) {
  return c.push(state(c).equals(c.object<State>(2)));
}

int difference(Call& c) {
  const State& other = c.object<State>(2);
  Table table;
  for (const auto& [name, tensor] : state(c).tensors()) {
    if (!other.has(name) || other.get(name).sizes() != tensor.sizes()) continue;
    Tensor gap = (tensor.to(at::kDouble) - other.get(name).to(at::kDouble)).abs();
    table[name] = gap.numel() ? gap.max().item<double>() : 0.0;
  }
  return c.push(Value(table));
}

int batch(Call& c) {
  return c.push(state(c).batch());
}
int bytes(Call& c) {
  return c.push(state(c).size_bytes());
}

// Counters travel as int64 tensors of one element under "counter.".
constexpr const char kCounter[] = "counter.";

int save(Call& c) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : state(c).tensors()) tensors[name] = tensor.detach();
  for (const auto& [name, value] : state(c).counters()) {
    tensors[kCounter + name] = at::full({1}, value, at::kLong);
  }
  return c.push(write_safetensors(c.string(2), tensors, {{"content", "rmkv state"}}));
}

int load(Call& c) {
  SafetensorsFile file = read_safetensors(c.string(1));
  if (file.metadata["content"] != "rmkv state")
    fail(c.string(1), "a safetensors file of something else", "a saved state");
  State loaded;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.rfind(kCounter, 0) == 0)
      loaded.set_counter(name.substr(sizeof kCounter - 1), tensor.item<int64_t>());
    else
      loaded.set(name, tensor);
  }
  return c.push_new(std::move(loaded));
}

// Raw little-endian float32, lane after lane.
int save_flat(Call& c) {
  const Tensor flat = rwkv_flat_state(state(c)).cpu().contiguous();
  write_file_atomic(c.string(2), {reinterpret_cast<const char*>(flat.const_data_ptr<float>()),
                                  static_cast<size_t>(flat.nbytes())});
  return 0;
}

int load_flat(Call& c) {
  const std::string bytes = read_file(c.string(2));
  const int64_t lanes = state(c).batch();
  const auto row = static_cast<size_t>(lanes) * sizeof(float);
  if (lanes == 0 || bytes.size() % row != 0) {
    fail(c.string(2), std::to_string(bytes.size()) + " bytes",
         "float32 for " + std::to_string(lanes) + " lanes");
  }
  Tensor flat = at::empty({lanes, static_cast<int64_t>(bytes.size() / row)}, at::kFloat);
  std::memcpy(flat.mutable_data_ptr<float>(), bytes.data(), bytes.size());
  set_rwkv_flat_state(state(c), flat);
  return 0;
}

}  // namespace

Module state_module() {
  const Field name{"name", "string", "one of names()"}, other{"other", "State", ""},
      path{"path", "string", ""};
  return {
      .name = "rmkv.state",
      .doc = "what a model remembers, as a value; states are made by Model:state and Session:state",
      .functions =
          {
              {.name = "rmkv.state.load",
               .doc = "Reads a saved state.",
               .args = {path},
               .returns = {{"", "State", ""}},
               .call = load,
               .errors = "when the file is missing, damaged or something else"},
              {.name = "rmkv.state.join",
               .doc = "Puts the lanes of several states side by side.",
               .args = {{"states", "list", "with equal names and counters"}},
               .returns = {{"", "State", ""}},
               .call = join,
               .errors = "when they differ"},
              {.name = "State:copy",
               .doc = "Copies; tensors are shared until one side changes.",
               .args = {},
               .returns = {{"", "State", ""}},
               .call = copy},
              {.name = "State:names",
               .doc = "Lists the tensors.",
               .args = {},
               .returns = {{"", "list", ""}},
               .call = names},
              {.name = "State:get",
               .doc = "Returns a copy of a tensor.",
               .args = {name},
               .returns = {{"", "Tensor", "[B, ..]"}},
               .call = get,
               .errors = "on an unknown name, naming the nearest"},
              {.name = "State:set",
               .doc = "Replaces a tensor by one of its shape.",
               .args = {name, {"value", "Tensor", ""}},
               .returns = {},
               .call = set,
               .errors = "on an unknown name or another shape"},
              {.name = "State:zero",
               .doc = "Sets tensors to zero.",
               .args = {{"names", "string|list?", "", "all"}},
               .returns = {},
               .call = zero,
               .errors = "on an unknown name"},
              {.name = "State:counters",
               .doc = "Returns the counters.",
               .args = {},
               .returns = {{"", "table", "name = integer"}},
               .call = counters},
              {.name = "State:set_counter",
               .doc = "Sets a counter.",
               .args = {{"name", "string", ""}, {"value", "integer", ""}},
               .returns = {},
               .call = set_counter},
              {.name = "State:lanes",
               .doc = "Returns some lanes as a state of their own.",
               .args = {{"first", "integer", "from 1"}, {"count", "integer?", "", "1", 1}},
               .returns = {{"", "State", ""}},
               .call = lanes,
               .errors = "beyond the last lane"},
              {.name = "State:assign_lanes",
               .doc = "Writes the lanes of another state into this one.",
               .args = {{"lanes", "list", "places, from 1"}, {"source", "State", "as many lanes"}},
               .returns = {},
               .call = assign,
               .errors = "when lanes or shapes do not fit"},
              {.name = "State:equals",
               .doc = "Tells whether names, counters and bits are equal.",
               .args = {other},
               .returns = {{"", "boolean", ""}},
               .call = equals},
              {.name = "State:difference",
               .doc = "Returns the largest absolute difference of each tensor that both have.",
               .args = {other},
               .returns = {{"", "table", "name = number"}},
               .call = difference},
              {.name = "State:batch",
               .doc = "Returns the number of lanes.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = batch},
              {.name = "State:bytes",
               .doc = "Returns the bytes of all tensors.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = bytes},
              {.name = "State:save",
               .doc = "Writes a safetensors file atomically.",
               .args = {path},
               .returns = {{"", "string", "hash of the file"}},
               .call = save,
               .errors = "when it cannot be written"},
              {.name = "State:save_flat",
               .doc =
                   "Writes an RWKV state in rwkv.cpp's layout: raw float32, per layer the shifted "
                   "rows of channel mix and time mix, then the memory.",
               .args = {path},
               .returns = {},
               .call = save_flat,
               .errors = "when the state is not an RWKV model's"},
              {.name = "State:load_flat",
               .doc = "Reads what save_flat or rwkv.cpp wrote into this state.",
               .args = {path},
               .returns = {},
               .call = load_flat,
               .errors = "when the file is missing or of another size"},
          },
      .classes = {&class_of<State>()}};
}

}  // namespace rmkv::lua
