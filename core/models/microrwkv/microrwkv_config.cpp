// Reading and checking the options of MicroRWKV; see microrwkv_config.h.
#include "core/models/microrwkv/microrwkv_config.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/option_reader.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "microrwkv config";
const std::vector<std::string> kModes = {"corrected", "published"};
const std::vector<std::string> kPresets = {"tiny", "small", "base", "1b"};

[[noreturn]] void refuse(const std::string& key, int64_t got, const std::string& expected,
                         const std::string& hint = {}) {
  fail(std::string(kWhere) + "." + key, std::to_string(got), expected, hint);
}

void resolve(MicroRwkvConfig& c) {
  if (c.ffn_hidden == 0) c.ffn_hidden = 3 * c.channels;
  if (c.key_heads == 0) {
    c.key_heads = c.published() ? c.heads : std::max<int64_t>(c.heads / 4, 1);
    while (c.heads % c.key_heads != 0) --c.key_heads;
  }
  if (c.active == 0) c.active = c.published() ? c.experts : (c.experts + 1) / 2;
}

void check(const MicroRwkvConfig& c) {
  const int64_t unit = c.published() ? 4 * c.heads : c.heads;
  if (c.channels % unit != 0) {
    refuse("channels", c.channels,
           "a multiple of " + std::string(c.published() ? "4 heads" : "heads") + " = " +
               std::to_string(unit));
  }
  if (c.heads % c.key_heads != 0) {
    refuse("key_heads", c.key_heads, "a divisor of heads = " + std::to_string(c.heads));
  }
  if (c.active > c.experts) {
    refuse("active", c.active, "at most experts = " + std::to_string(c.experts));
  }
  if (c.window > c.block_tokens && !c.published()) {
    refuse("window", c.window, "at most block_tokens = " + std::to_string(c.block_tokens));
  }
  if (c.published() && c.key_heads != c.heads) {
    refuse("key_heads", c.key_heads, "nothing",
           "mode = \"published\" reproduces a program that has no such option");
  }
}

}  // namespace

MicroRwkvConfig MicroRwkvConfig::from_table(const Table& table) {
  MicroRwkvConfig c;
  OptionReader reader(table, kWhere);
  std::string architecture = "microrwkv", mode = kModes[0];
  reader.read("architecture", architecture, {"microrwkv"});
  reader.read("mode", mode, kModes);
  c.mode = mode == kModes[1] ? MicroRwkvMode::kPublished : MicroRwkvMode::kCorrected;
  reader.read("vocabulary", c.vocabulary, 1, int64_t{1} << 24);
  reader.read("channels", c.channels, 1, 1 << 16);
  reader.read("layers", c.layers, 1, 1024);
  reader.read("heads", c.heads, 1, 1024);
  reader.read("block_tokens", c.block_tokens, 1, 1 << 20);
  reader.read("window", c.window, 1, 1 << 20);
  reader.read("key_heads", c.key_heads, 0, 1024);
  reader.read("ffn_hidden", c.ffn_hidden, 0, 1 << 20);
  reader.read("experts", c.experts, 1, 1024);
  reader.read("active", c.active, 0, 1024);
  reader.read("expert_channels", c.expert_channels, 1, 1 << 20);
  reader.read("auxiliary_weight", c.auxiliary_weight, 0.0, 100.0);
  reader.finish();
  resolve(c);
  check(c);
  return c;
}

Table MicroRwkvConfig::to_table() const {
  return {
      {"architecture", "microrwkv"},
      {"mode", kModes[published() ? 1 : 0]},
      {"vocabulary", vocabulary},
      {"channels", channels},
      {"layers", layers},
      {"heads", heads},
      {"block_tokens", block_tokens},
      {"window", window},
      {"key_heads", key_heads},
      {"ffn_hidden", ffn_hidden},
      {"experts", experts},
      {"active", active},
      {"expert_channels", expert_channels},
      {"auxiliary_weight", auxiliary_weight},
  };
}

Table microrwkv_preset(const std::string& name) {
  struct Size {
    int64_t channels, layers, heads, block_tokens, window, expert_channels;
  };
  const auto size = [](const Size& s) {
    return Table{{"architecture", "microrwkv"},
                 {"channels", s.channels},
                 {"layers", s.layers},
                 {"heads", s.heads},
                 {"block_tokens", s.block_tokens},
                 {"window", s.window},
                 {"expert_channels", s.expert_channels}};
  };
  if (name == "tiny") return size({128, 3, 4, 256, 64, 80});
  if (name == "small") return size({256, 6, 8, 512, 128, 160});
  if (name == "base") return size({768, 8, 8, 1024, 256, 512});
  if (name == "1b") return size({2048, 13, 16, 1024, 256, 1280});
  fail_because("microrwkv preset", unknown_name_text("preset", name, kPresets));
}

}  // namespace rmkv
