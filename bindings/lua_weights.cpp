// Module rmkv.weights: RWKV model files of this and other programs, described and converted.
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "core/checkpoint/model_loader.h"
#include "core/checkpoint/weight_writer.h"

namespace rmkv::lua {

namespace {

// What a file is, as a plain table.
Table description(const WeightFile& file, bool with_tensors) {
  std::map<std::string, int64_t> types;
  int64_t parameters = 0, bytes = 0;
  List tensors;
  for (const auto& [name, weight] : file.weights) {
    ++types[weight_type_name(weight.type)];
    parameters += weight.count();
    bytes += static_cast<int64_t>(weight.size_bytes());
    if (!with_tensors) continue;
    List shape;
    for (const int64_t size : weight.shape) shape.push_back(size);
    tensors.push_back(
        Table{{"name", name}, {"type", weight_type_name(weight.type)}, {"shape", shape}});
  }
  Table type_counts;
  for (const auto& [type, count] : types) type_counts[type] = count;
  Table table{{"format", file.format},
              {"names", file.names},
              {"config", file.config.to_table()},
              {"types", type_counts},
              {"parameters", parameters},
              {"bytes", bytes},
              {"tensor_count", static_cast<int64_t>(file.weights.size())}};
  if (with_tensors) table["tensors"] = tensors;
  return table;
}

int describe_file(Call& c) {
  return c.push(Value(description(load_rwkv_weights(c.string(1)), true)));
}

int formats(Call& c) {
  return c.push(weight_file_formats());
}

int convert(Call& c) {
  const Table given = c.table(3);
  WriteOptions options;
  std::string type;
  int64_t shard_bytes = static_cast<int64_t>(options.shard_bytes);
  OptionReader reader(given, "rmkv.weights.convert");
  reader.read("format", options.format, weight_file_formats());
  reader.read("dtype", type, weight_type_names());
  reader.read("shard_bytes", shard_bytes, 1, INT64_MAX);
  reader.finish();
  if (!type.empty()) options.type = parse_weight_type(type);
  options.shard_bytes = static_cast<uint64_t>(shard_bytes);
  if (c.has(4)) {
    options.progress = [&c](uint64_t written, uint64_t total) {
      lua_pushvalue(c.L, 4);
      lua_pushnumber(c.L, static_cast<double>(written));
      lua_pushnumber(c.L, static_cast<double>(total));
      lua_call(c.L, 2, 0);
    };
  }
  const WeightFile file = load_rwkv_weights(c.string(1));
  c.push(write_weight_file(c.string(2), file, options));
  c.push(Value(description(file, false)));
  return 2;
}

}  // namespace

Module weights_module() {
  const Field from{"from", "string", "a model file or folder, or a checkpoint of RWKV"};
  return {
      .name = "rmkv.weights",
      .doc = "RWKV model files of this and other programs",
      .functions = {
          {.name = "rmkv.weights.describe",
           .doc = "Tells what a file is and what is in it, without loading the model.",
           .args = {from},
           .returns = {{"", "table",
                        "{format, names, config, types, parameters, bytes, tensor_count, tensors = "
                        "{{name, type, shape}}}"}},
           .call = describe_file,
           .errors = "naming the file and what is wrong with it"},
          {.name = "rmkv.weights.formats",
           .doc = "Lists the formats that can be written.",
           .args = {},
           .returns = {{"", "list", ""}},
           .call = formats},
          {.name = "rmkv.weights.convert",
           .doc = "Writes a model file in another format or number type.",
           .args = {from,
                    {"to", "string", "path of the new file"},
                    {.name = "options",
                     .type = "options?",
                     .doc = "",
                     .keys = {{"format", "string?", "one of formats()", "\"safetensors\""},
                              {"dtype", "string?", "of the matrices: fp32, fp16, bf16, q8_0, .."},
                              {"shard_bytes", "number?", "safetensors: size of a shard", "5e9"}}},
                    {"progress", "function?", "called with bytes written and bytes to write"}},
           .returns = {{"paths", "list", "the files written, the one to load last"},
                       {"about", "table", "what the source is"}},
           .call = convert,
           .errors = "when the source is damaged or the format cannot hold the model"},
      }};
}

}  // namespace rmkv::lua
