// Reading, checking and naming the options of the RWKV family; see rwkv_config.h.
#include "core/models/rwkv/rwkv_config.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/option_reader.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "rwkv config";
const std::vector<std::string> kArchitectures = {"rwkv4", "rwkv5", "rwkv6", "rwkv7"};
const std::vector<std::string> kMinors = {"5.0", "5.1", "5.2"};
const std::vector<std::string> kPresets = {"tiny", "small", "base", "1b"};

// The rank of a version-7 low-rank map: scale sqrt(D) to the nearest multiple of 32, halves to even
// (RWKV-LM rounds in Python; C = 1024 gives 64, not 96, for 2.5 sqrt(D)).
int64_t rank_of(double scale, int64_t channels) {
  const double parts = scale * std::sqrt(static_cast<double>(channels)) / 32.0;
  return std::max<int64_t>(32, 32 * static_cast<int64_t>(std::nearbyint(parts)));
}

void fill(int64_t& field, int64_t value) {
  if (field == 0) field = value;
}

void resolve(RwkvConfig& c) {
  const int64_t large = c.channels >= 4096 ? 2 : 1;
  const bool wide = c.version == 4 || c.version == 7;
  fill(c.ffn_hidden, wide ? 4 * c.channels : std::max<int64_t>(32, c.channels * 7 / 2 / 32 * 32));
  if (c.version == 6) {
    fill(c.mix_rank, 32 * large);
    fill(c.decay_rank, 64 * large);
  }
  if (c.version == 7) {
    fill(c.decay_rank, rank_of(2.5, c.channels));
    fill(c.rate_rank, rank_of(2.5, c.channels));
    fill(c.value_rank, rank_of(1.7, c.channels));
    fill(c.gate_rank, rank_of(5.0, c.channels));
  }
}

void check(const RwkvConfig& c) {
  if (c.vocabulary <= 0) fail(kWhere + std::string(".vocabulary"), "nothing", "the number of ids");
  if (c.version > 4 && c.channels % c.head_size != 0) {
    fail(kWhere + std::string(".channels"), std::to_string(c.channels),
         "a multiple of head_size = " + std::to_string(c.head_size));
  }
}

}  // namespace

bool is_rwkv_architecture(const std::string& name) {
  return std::find(kArchitectures.begin(), kArchitectures.end(), name) != kArchitectures.end();
}

RwkvConfig RwkvConfig::from_table(const Table& table) {
  RwkvConfig c;
  OptionReader reader(table, kWhere);
  std::string architecture;
  if (!reader.read("architecture", architecture, kArchitectures)) {
    fail(kWhere + std::string(".architecture"), "nothing", "rwkv4, rwkv5, rwkv6 or rwkv7");
  }
  c.version = architecture.back() - '0';
  std::string minor = "5.2";
  if (c.version == 5) reader.read("minor", minor, kMinors);
  c.minor = minor.back() - '0';
  reader.read("vocabulary", c.vocabulary, 1, int64_t{1} << 24);
  reader.read("channels", c.channels, 1, 1 << 16);
  reader.read("layers", c.layers, 1, 1024);
  reader.read("ffn_hidden", c.ffn_hidden, 0, 1 << 20);
  if (c.version > 4) {
    reader.read("head_size", c.head_size, 1, 256);
    reader.read("group_norm_epsilon", c.group_norm_epsilon, 0.0, 1.0);
  }
  if (c.version == 6) reader.read("mix_rank", c.mix_rank, 0, 1 << 12);
  if (c.version >= 6) reader.read("decay_rank", c.decay_rank, 0, 1 << 12);
  if (c.version == 7) {
    reader.read("rate_rank", c.rate_rank, 0, 1 << 12);
    reader.read("value_rank", c.value_rank, 0, 1 << 12);
    reader.read("gate_rank", c.gate_rank, 0, 1 << 12);
  }
  reader.read("input_norm", c.input_norm);
  reader.read("output_bias", c.output_bias);
  reader.read("head_bias", c.head_bias);
  reader.read("tuned_state", c.tuned_state);
  reader.finish();
  resolve(c);
  check(c);
  return c;
}

Table RwkvConfig::to_table() const {
  Table table{
      {"architecture", architecture()}, {"vocabulary", vocabulary},
      {"channels", channels},           {"layers", layers},
      {"ffn_hidden", ffn_hidden},       {"input_norm", input_norm},
      {"output_bias", output_bias},     {"head_bias", head_bias},
      {"tuned_state", tuned_state},
  };
  if (version == 5) table["minor"] = kMinors[static_cast<size_t>(minor)];
  if (version > 4) {
    table["head_size"] = head_size;
    table["group_norm_epsilon"] = group_norm_epsilon;
  }
  if (version == 6) table["mix_rank"] = mix_rank;
  if (version >= 6) table["decay_rank"] = decay_rank;
  if (version == 7) {
    table["rate_rank"] = rate_rank;
    table["value_rank"] = value_rank;
    table["gate_rank"] = gate_rank;
  }
  return table;
}

Table rwkv_preset(const std::string& architecture, const std::string& name) {
  const auto size = [&](int64_t channels, int64_t layers, int64_t head_size) {
    Table table{{"architecture", architecture}, {"channels", channels}, {"layers", layers}};
    if (architecture != "rwkv4") table["head_size"] = head_size;
    return table;
  };
  if (name == "tiny") return size(128, 3, 32);
  if (name == "small") return size(256, 6, 64);
  if (name == "base") return size(768, 12, 64);
  if (name == "1b") return size(1792, 24, 64);
  fail_because("rwkv preset", unknown_name_text("preset", name, kPresets));
}

}  // namespace rmkv
