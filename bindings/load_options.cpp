// Reading and describing the options of loading a model.
#include "bindings/load_options.h"

#include "core/base/option_reader.h"

namespace rmkv::lua {

LoadOptions load_options(const Table& options, const std::string& where) {
  std::vector<std::string> types = weight_type_names();
  types.push_back("stored");
  types.push_back("auto");
  LoadOptions result;
  std::string device = "cpu", dtype = "fp32";
  int64_t threads = 0;
  OptionReader reader(options, where);
  reader.read("device", device);
  reader.read("dtype", dtype, {"fp32", "fp64"});
  reader.read("weights", result.weights, types);
  reader.read("head", result.head, weight_type_names());
  reader.read("threads", threads, 0, 1024);
  reader.finish();
  result.parameter_dtype = parse_dtype(dtype);
  result.device = parse_device(device);
  result.threads = static_cast<int>(threads);
  return result;
}

Field load_options_field() {
  return {.name = "options",
          .type = "options?",
          .doc = "",
          .keys = {{"device", "string?", "", "\"cpu\""},
                   {"dtype", "string?", "of the parameters: fp32 or fp64", "\"fp32\""},
                   {"weights", "string?",
                    "packed for inference, RWKV only: fp32, bf16, fp16, q8_0, .., \"stored\" as in "
                    "the file, "
                    "\"auto\" stored where it is RWKV; without it a trainable model"},
                   {"head", "string?",
                    "the same for the head of packed weights alone; beside 8 bits and less it has "
                    "16"},
                   {"threads", "integer?", "of packed weights; 0: as the program", "0", 0, 1024}}};
}

}  // namespace rmkv::lua
