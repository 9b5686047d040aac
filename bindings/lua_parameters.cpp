// Methods of Model on its parameters: listing, reading, replacing, freezing, files of them.
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/weight_writer.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

LanguageModel& model(const Call& c) {
  return c.object<LanguageModel>(1);
}

int parameters(Call& c) {
  List list;
  ParameterStore& store = model(c).parameters();
  for (size_t i = 0; i < store.size(); ++i) {
    const Parameter& parameter = store.all()[i];
    List shape;
    for (int64_t size : parameter.value.sizes()) shape.push_back(size);
    list.push_back(Table{{"name", parameter.name},
                         {"shape", shape},
                         {"group", group_name(parameter.group)},
                         {"frozen", store.is_frozen(i)},
                         {"count", parameter.value.numel()}});
  }
  return c.push(Value(list));
}

int parameter(Call& c) {
  return push_tensor(c, model(c).parameters().get(c.string(2)).value.detach());
}

int gradient(Call& c) {
  const Tensor& gradient = model(c).parameters().get(c.string(2)).value.grad();
  return gradient.defined() ? push_tensor(c, gradient) : c.absent("no gradient yet");
}

int set_parameter(Call& c) {
  ParameterStore& store = model(c).parameters();
  const Parameter& parameter = store.get(c.string(2));
  const Tensor& value = tensor_arg(c, 3);
  if (value.sizes() != parameter.value.sizes()) {
    fail("value", shape_text(value.sizes()),
         shape_text(parameter.value.sizes()) + ", the shape of " + parameter.name);
  }
  parameter.value.detach().copy_(value);
  store.mark_changed();
  return 0;
}

// Lua's string.find decides which names fit, so that patterns mean what they mean in recipes.
bool name_fits(const Call& c, const std::string& name, const std::string& pattern) {
  if (name == pattern) return true;
  lua_getglobal(c.L, "string");
  lua_getfield(c.L, -1, "find");
  c.push(name);
  c.push(pattern);
  lua_call(c.L, 2, 1);
  bool fits = !lua_isnil(c.L, -1);
  lua_pop(c.L, 2);
  return fits;
}

int freeze(Call& c) {
  ParameterStore& store = model(c).parameters();
  int64_t count = 0;
  for (size_t i = 0; i < store.size(); ++i) {
    if (!name_fits(c, store.all()[i].name, c.string(2))) continue;
    store.set_frozen(i, c.boolean(3, true));
    ++count;
  }
  return c.push(count);
}

int load_values(Call& c) {
  model(c).parameters().load(tensors_arg(c, 2));
  return 0;
}

int load(Call& c) {
  model(c).parameters().load(read_safetensors(c.string(2)).tensors);
  return 0;
}

int save(Call& c) {
  // With the configuration the file is a model by itself (rmkv.model.load).
  return c.push(write_safetensors(c.string(2), model(c).parameters().named_values(),
                                  {{kConfigMetadata, write_json(Value(model(c).config()))}}));
}

int fingerprint(Call& c) {
  std::string hashes;
  for (const Parameter& parameter : model(c).parameters().all()) {
    Tensor value = parameter.value.detach().to(at::kCPU).contiguous();
    hashes += parameter.name + " " +
              content_hash({static_cast<const char*>(value.data_ptr()),
                            static_cast<size_t>(value.nbytes())}) +
              "\n";
  }
  return c.push(content_hash(hashes));
}

}  // namespace

void add_parameter_functions(std::vector<Function>& list) {
  const Field path{"path", "string", ""},
      name{"name", "string", "\"layers.3.attention.qkv.weight\""};
  const std::vector<Function> functions = {
      {.name = "Model:parameters",
       .doc = "Lists the parameters.",
       .args = {},
       .returns = {{"", "list", "{ name, shape, group, frozen, count }"}},
       .call = parameters},
      {.name = "Model:parameter",
       .doc = "Returns a parameter; writing into it changes the model.",
       .args = {name},
       .returns = {{"", "Tensor", ""}},
       .call = parameter,
       .errors = "on an unknown name, naming the nearest"},
      {.name = "Model:gradient",
       .doc = "Returns the gradient of a parameter from the last step.",
       .args = {name},
       .returns = {{"", "Tensor?", ""}, {"message", "string?", ""}},
       .call = gradient,
       .errors = "on an unknown name"},
      {.name = "Model:set_parameter",
       .doc = "Replaces the values of a parameter.",
       .args = {name, {"value", "Tensor", "of its shape"}},
       .returns = {},
       .call = set_parameter,
       .errors = "on an unknown name or another shape"},
      {.name = "Model:freeze",
       .doc = "Excludes parameters from training, or takes them in again.",
       .args = {{"pattern", "string", "a Lua pattern or a name"},
                {"frozen", "boolean?", "", "true"}},
       .returns = {{"", "integer", "parameters that fitted"}},
       .call = freeze},
      {.name = "Model:load_values",
       .doc = "Copies parameters in by name; nothing is written when one is missing, "
              "unknown or misshapen.",
       .args = {{"values", "table", "name = Tensor"}},
       .returns = {},
       .call = load_values,
       .errors = "listing what does not fit"},
      {.name = "Model:load",
       .doc = "Loads parameters from a safetensors file.",
       .args = {path},
       .returns = {},
       .call = load,
       .errors = "when the file is damaged or does not fit"},
      {.name = "Model:save",
       .doc = "Writes the parameters to a safetensors file.",
       .args = {path},
       .returns = {{"", "string", "hash of the file"}},
       .call = save,
       .errors = "when it cannot be written"},
      {.name = "Model:fingerprint",
       .doc = "Returns a hash of all parameters: equal for equal bits.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = fingerprint},
  };
  list.insert(list.end(), functions.begin(), functions.end());
}

}  // namespace rmkv::lua
