// Fuzz target: TOML texts (options, config.toml, run.toml) give an Error or a table that survives a
// round trip, and a model's configuration or the reason why not.
#include "core/base/toml.h"
#include "core/models/rwkv/rwkv_config.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rmkv::fuzz::accepts([&] {
    const rmkv::Table table = rmkv::parse_toml(rmkv::fuzz::view(data, size), "fuzz");
    // As text: nan is not equal to itself.
    const std::string text = rmkv::write_toml(table);
    if (rmkv::write_toml(rmkv::parse_toml(text, "again")) != text) __builtin_trap();
    const rmkv::RwkvConfig config = rmkv::RwkvConfig::from_table(table);
    const rmkv::Table resolved = config.to_table();
    if (!(rmkv::RwkvConfig::from_table(resolved).to_table() == resolved)) __builtin_trap();
    rmkv::rwkv_parameter_count(config);
  });
  return 0;
}
