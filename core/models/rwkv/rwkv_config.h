// The closed options of the RWKV family, versions 4 to 7: sizes, names and shapes of the
// parameters, and how to tell a version from the shapes in a file.
//
// Not here: initial values (rwkv_initial.h) and anything that computes.  Names are those of the
// official .pth files; shapes are theirs too, but vectors that a file stores as [1, 1, D] (or
// [H, N, 1]) are kept without the ones.
// Sources: RWKV-4 arXiv 2305.13048, RWKV-5/6 arXiv 2404.05892, RWKV-7 arXiv 2503.14456;
// rwkv-family.md, sections 1.2-1.6 and 1.9.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/value.h"

namespace rmkv {

struct RwkvConfig {
  int64_t version = 7;     // 4, 5, 6 or 7
  int64_t minor = 2;       // version 5 only: 5.0 no gate; 5.1 gate; 5.2 gate, channel decay
  int64_t vocabulary = 0;  // V, required
  int64_t channels = 128;  // D, a multiple of head_size from version 5 on
  int64_t layers = 3;      // L
  int64_t head_size = 64;  // N, 8 to 256; unused in version 4
  int64_t ffn_hidden = 0;  // F; 0: 4 D (versions 4 and 7) or 3.5 D down to a multiple of 32
  int64_t mix_rank = 0;    // version 6: rank of the data-dependent token shift; 0: 32
                           // (64 from D = 4096 on)
  int64_t decay_rank = 0;  // version 6: 0 is 64 (128 from D = 4096 on); version 7: w
  int64_t rate_rank = 0;   // version 7: a, the in-context learning rate
  int64_t value_rank = 0;  // version 7: v, the value residual
  int64_t gate_rank = 0;   // version 7: g
  double group_norm_epsilon = 64e-5;  // of ln_x; rwkv.cpp's version-5 files want 1e-5
  bool input_norm = true;             // blocks.0.ln0 exists (every official model)
  bool output_bias = false;           // blocks.i.att.output.bias [D] exists
  bool head_bias = false;             // head.bias [V] exists
  bool tuned_state = false;           // blocks.i.att.time_state: a trained initial state

  int64_t heads() const { return channels / head_size; }

  // Reads a closed table and fills in what is 0; throws on unknown keys, values out of range and
  // combinations that cannot be.  Keys: "architecture" ("rwkv4" .. "rwkv7", required), "minor"
  // ("5.0", "5.1", "5.2"; rwkv5 only) and the fields above but for version.
  static RwkvConfig from_table(const Table& table);
  // Every option, resolved; from_table(to_table()) gives the same configuration.
  Table to_table() const;
  std::string architecture() const { return "rwkv" + std::to_string(version); }
};

bool is_rwkv_architecture(const std::string& name);  // "rwkv4", "rwkv5", "rwkv6", "rwkv7"

// A named size without vocabulary: "tiny" ~1M, "small" ~10M, "base" ~130M, "1b" ~1.1B parameters.
Table rwkv_preset(const std::string& architecture, const std::string& name);

struct RwkvParameter {
  std::string name;            // "blocks.0.att.time_decay", "emb.weight", ...
  std::vector<int64_t> shape;  // row-major
  // A file may lack it: version 7's value-residual parameters of layer 0, which nothing reads.
  bool optional = false;
};

// Every parameter of a resolved configuration, in order; nothing is allocated.
std::vector<RwkvParameter> rwkv_parameters(const RwkvConfig& config);
int64_t rwkv_parameter_count(const RwkvConfig& config);

// What a file's shapes leave open.
struct RwkvHints {
  // Version 4 has no heads; 5 to 7 tell theirs by shape, but version 6 and 7 files that keep the
  // bonus as [D] need a hint.  0: none.
  int64_t head_size = 0;
  double group_norm_epsilon = 0;  // 0: the official 64e-5
};

// Shapes by official name, dimensions of size 1 anywhere -> a resolved configuration.  Throws when
// a name that tells the version or a size is missing or shapes contradict each other.
RwkvConfig detect_rwkv_config(const std::map<std::string, std::vector<int64_t>>& shapes,
                              const RwkvHints& hints = {});

}  // namespace rmkv
