// Ranges of the step options.
#include "core/train/step_options.h"

#include "core/base/error.h"
#include "core/base/option_reader.h"

namespace rmkv {

StepOptions StepOptions::from_table(const Table& table, const std::string& where) {
  StepOptions options;
  OptionReader reader(table, where);
  reader.read("lr", options.lr, 0.0, 1e3);
  reader.read("clip", options.clip, 0.0, 1e9);
  reader.read("bptt", options.bptt, 1, 1 << 20);
  std::string dtype = "fp32";
  if (reader.read("dtype", dtype, {"fp32", "bf16", "fp64"}))
    options.compute_dtype = parse_dtype(dtype);
  reader.read("replay", options.replay);
  reader.read("chunk_rows", options.chunk_rows, 0, 1 << 30);
  reader.read("z_loss", options.z_loss, 0.0, 1e3);
  reader.read("l2_wrap", options.l2_wrap, 0.0, 1e3);
  reader.read("spike", options.spike, 0.0, 1e9);
  if (options.spike != 0.0 && options.spike <= 1.0) {
    fail(where + ".spike", Value(options.spike).to_text(), "0 (off) or a factor above 1");
  }
  reader.read("state_passing", options.state_passing, 0.0, 1.0);
  reader.finish();
  return options;
}

}  // namespace rmkv
