// Reading, checking and naming the options of RMKV; see rmkv_config.h.
#include "core/models/rmkv/rmkv_config.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "core/kernels/short_convolution.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "rmkv config";

const std::vector<std::string> kPoolingNames = {"mean", "query"};
const std::vector<std::string> kPositionNames = {"rope", "learned", "sinusoidal", "none"};
const std::vector<std::string> kFfnNames = {"swiglu", "relu2", "none"};
const std::vector<std::string> kCommitNames = {"segment", "published"};
const std::vector<std::string> kStoreReadNames = {"segment", "token"};
const std::vector<std::string> kStoreKeysNames = {"projected", "codes"};
const std::vector<std::string> kStoreValuesNames = {"projected", "codes"};

// Reads a name out of a closed set into its enum, whose values follow the order of the names.
template <typename Enum>
bool read_enum(OptionReader& reader, const std::string& key, const std::vector<std::string>& names,
               Enum& field) {
  std::string name = names[static_cast<size_t>(field)];
  const bool present = reader.read(key, name, names);
  field = static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
  return present;
}

[[noreturn]] void refuse(const std::string& key, const std::string& got,
                         const std::string& expected, const std::string& hint = {}) {
  fail(std::string(kWhere) + "." + key, got, expected, hint);
}

void check_layers(const std::string& key, const std::vector<int64_t>& list, int64_t layers) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] < 1 || list[i] > layers || (i > 0 && list[i] <= list[i - 1])) {
      refuse(key, std::to_string(list[i]),
             "rising layer numbers from 1 to " + std::to_string(layers));
    }
  }
}

bool listed(const std::vector<int64_t>& list, int64_t layer) {
  return list.empty() || std::binary_search(list.begin(), list.end(), layer + 1);
}

List list_of(const std::vector<int64_t>& layers) {
  List list;
  for (const int64_t layer : layers) list.emplace_back(layer);
  return list;
}

void check_shape_options(const RmkvConfig& c) {
  if (c.vocabulary <= 0) refuse("vocabulary", "nothing", "the number of token ids");
  if (c.channels % c.heads != 0) {
    refuse("channels", std::to_string(c.channels),
           "a multiple of heads = " + std::to_string(c.heads));
  }
  if (c.channels % c.store_head_count() != 0) {
    refuse("store_heads", std::to_string(c.store_heads),
           "a divisor of channels = " + std::to_string(c.channels));
  }
  if (c.positions == Positions::kRope && c.head_dim() % 2 != 0) {
    refuse("heads", std::to_string(c.heads), "an even number of channels per head for rope");
  }
  if (c.positions == Positions::kSinusoidal && c.channels % 2 != 0) {
    refuse("channels", std::to_string(c.channels), "an even number for sinusoidal positions");
  }
  if (c.recency > 0 && c.positions != Positions::kRope) {
    refuse("recency", std::to_string(c.recency), "0 without positions = \"rope\"");
  }
  if (c.ffn_shift > 0 && c.ffn == FeedForward::kNone) {
    refuse("ffn_shift", std::to_string(c.ffn_shift), "0 with ffn = \"none\"");
  }
  check_layers("memory_layers", c.memory_layers, c.layers);
  check_layers("store_layers", c.store_layers, c.layers);
  if (c.store_keys == StoreKeys::kCodes && c.store_convolution < 2) {
    refuse("store_convolution", std::to_string(c.store_convolution),
           "at least 2 with store_keys = \"codes\"",
           "one token more than the words a fact is looked up by");
  }
  if (c.store_values == StoreValues::kCodes && c.store_keys != StoreKeys::kCodes) {
    refuse("store_values", "codes", "projected, or store_keys = \"codes\"");
  }
  if (c.store_features >= 2 * c.store_head_dim()) {
    refuse("store_features", std::to_string(c.store_features),
           "fewer than twice the channels of a store's head, " +
               std::to_string(2 * c.store_head_dim()));
  }
  if (c.slots == 0 && (c.write_stream || c.zero_read)) {
    refuse("slots", "0", "at least 1 with write_stream or zero_read");
  }
}

void check_published(const RmkvConfig& c) {
  const std::string hint =
      "commit = \"published\" reproduces the original program and takes nothing else";
  if (c.cell != CellKind::kGru && c.cell != CellKind::kMinimal) {
    refuse("cell", cell_name(c.cell), "gru or minimal", hint);
  }
  if (c.pooling != Pooling::kQuery) refuse("pooling", "mean", "query", hint);
  if (c.ffn != FeedForward::kNone) refuse("ffn", "swiglu", "none", hint);
  if (c.bridge != 0) refuse("bridge", std::to_string(c.bridge), "0", hint);
  if (c.store || c.write_stream || c.zero_read || c.tie_head) {
    refuse("store, write_stream, zero_read, tie_head", "true", "false", hint);
  }
  if (c.attention_shift > 0 || c.ffn_shift > 0 || c.embedding_norm || c.qk_norm || c.recency > 0) {
    refuse("attention_shift, ffn_shift, embedding_norm, qk_norm, recency", "some", "none", hint);
  }
  if (c.slots == 0) refuse("slots", "0", "at least 1", hint);
  if (!c.memory_layers.empty()) refuse("memory_layers", "a list", "none: every layer writes", hint);
  if (c.channels % 4 != 0) refuse("channels", std::to_string(c.channels), "a multiple of 4", hint);
}

}  // namespace

bool RmkvConfig::has_memory(int64_t layer) const {
  return listed(memory_layers, layer);
}

bool RmkvConfig::has_store(int64_t layer) const {
  return store && listed(store_layers.empty() ? memory_layers : store_layers, layer);
}

int64_t RmkvConfig::hidden() const {
  if (ffn_hidden > 0) return ffn_hidden;
  if (ffn == FeedForward::kReluSquared) return 4 * channels;
  // A gated pair of 8/3 C has the parameters of a plain 4 C network (Shazeer 2020); 32 keeps rows
  // aligned.
  return (channels * 8 / 3 + 31) / 32 * 32;
}

RmkvConfig RmkvConfig::from_table(const Table& table) {
  RmkvConfig c;
  OptionReader reader(table, kWhere);
  std::string architecture = "rmkv";
  reader.read("architecture", architecture, {"rmkv"});
  if (read_enum(reader, "commit", kCommitNames, c.commit); c.commit == Commit::kPublished) {
    c.ffn = FeedForward::kNone;
    c.bridge = 0;
    c.tie_head = false;
    c.positions = Positions::kRope;
  }
  reader.read("vocabulary", c.vocabulary, 1, int64_t{1} << 24);
  reader.read("channels", c.channels, 1, 1 << 16);
  reader.read("layers", c.layers, 1, 1024);
  reader.read("heads", c.heads, 1, 1024);
  reader.read("slots", c.slots, 0, 4096);
  reader.read("segment_tokens", c.segment_tokens, 1, 1 << 20);
  std::string cell = cell_name(c.cell);
  reader.read("cell", cell, cell_names());
  c.cell = parse_cell(cell);
  read_enum(reader, "pooling", kPoolingNames, c.pooling);
  read_enum(reader, "positions", kPositionNames, c.positions);
  read_enum(reader, "ffn", kFfnNames, c.ffn);
  reader.read("ffn_hidden", c.ffn_hidden, 0, 1 << 20);
  reader.read("attention_shift", c.attention_shift, 0, kernels::kMostConvolutionRows);
  reader.read("ffn_shift", c.ffn_shift, 0, kernels::kMostConvolutionRows);
  reader.read("embedding_norm", c.embedding_norm);
  reader.read("qk_norm", c.qk_norm);
  reader.read("recency", c.recency, 0.0, 100.0);
  reader.read("branch_scale", c.branch_scale, 0.0, 10.0);
  reader.read("bridge", c.bridge, 0, 1 << 20);
  reader.read("store", c.store);
  reader.read("store_heads", c.store_heads, 0, 1024);
  reader.read("store_convolution", c.store_convolution, 0, 64);
  reader.read("store_features", c.store_features, 0, 64);
  read_enum(reader, "store_keys", kStoreKeysNames, c.store_keys);
  read_enum(reader, "store_values", kStoreValuesNames, c.store_values);
  read_enum(reader, "store_read", kStoreReadNames, c.store_read);
  reader.read("store_layers", c.store_layers);
  reader.read("memory_layers", c.memory_layers);
  reader.read("write_stream", c.write_stream);
  reader.read("tie_head", c.tie_head);
  reader.read("zero_read", c.zero_read);
  reader.read("horizon", c.horizon, 1.0, 1e6);
  reader.read("embedding_std", c.embedding_std, 1e-6, 10.0);
  reader.read("memory_std", c.memory_std, 0.0, 1.0);
  reader.finish();
  check_shape_options(c);
  if (c.commit == Commit::kPublished) check_published(c);
  return c;
}

Table RmkvConfig::to_table() const {
  return Table{
      {"architecture", "rmkv"},
      {"vocabulary", vocabulary},
      {"channels", channels},
      {"layers", layers},
      {"heads", heads},
      {"slots", slots},
      {"segment_tokens", segment_tokens},
      {"cell", cell_name(cell)},
      {"pooling", kPoolingNames[static_cast<size_t>(pooling)]},
      {"positions", kPositionNames[static_cast<size_t>(positions)]},
      {"ffn", kFfnNames[static_cast<size_t>(ffn)]},
      {"ffn_hidden", ffn == FeedForward::kNone ? int64_t{0} : hidden()},
      {"attention_shift", attention_shift},
      {"ffn_shift", ffn_shift},
      {"embedding_norm", embedding_norm},
      {"qk_norm", qk_norm},
      {"recency", recency},
      {"branch_scale", branch_scale},
      {"bridge", bridge},
      {"store", store},
      {"store_heads", store_head_count()},
      {"store_convolution", store_convolution},
      {"store_features", store_features},
      {"store_keys", kStoreKeysNames[static_cast<size_t>(store_keys)]},
      {"store_values", kStoreValuesNames[static_cast<size_t>(store_values)]},
      {"store_read", kStoreReadNames[static_cast<size_t>(store_read)]},
      {"store_layers", list_of(store_layers)},
      {"memory_layers", list_of(memory_layers)},
      {"write_stream", write_stream},
      {"commit", kCommitNames[static_cast<size_t>(commit)]},
      {"tie_head", tie_head},
      {"zero_read", zero_read},
      {"horizon", horizon},
      {"embedding_std", embedding_std},
      {"memory_std", memory_std},
  };
}

Table rmkv_preset(const std::string& name) {
  const auto size = [](int64_t channels, int64_t layers, int64_t heads, int64_t slots,
                       int64_t segment_tokens, const std::vector<int64_t>& memory_layers,
                       int64_t ffn_hidden) {
    return Table{{"architecture", "rmkv"},
                 {"channels", channels},
                 {"layers", layers},
                 {"heads", heads},
                 {"slots", slots},
                 {"segment_tokens", segment_tokens},
                 {"memory_layers", list_of(memory_layers)},
                 {"ffn_hidden", ffn_hidden},
                 // Learns as fast as RWKV of the same size: see README.md.
                 {"embedding_norm", true},
                 {"embedding_std", 1e-3},
                 {"tie_head", false},
                 {"attention_shift", 1},
                 {"ffn_shift", 1},
                 {"recency", 2.0},
                 {"branch_scale", 0.0},
                 // The store, where it is switched on: below everything else, addressed by the
                 // codes of the three newest tokens, in heads of 64 channels.  Of what was tried
                 // only this learns to look facts up within a million tokens.
                 {"store_layers", List{1}},
                 {"store_heads", channels / 64},
                 {"store_convolution", 4},
                 {"store_features", 3},
                 {"store_keys", "codes"},
                 {"store_values", "codes"},
                 {"store_read", "token"}};
  };
  // Memory sits in middle and upper layers of the deep ones (memory-architectures.md, section 2.9
  // and 2.3 b).  Feed-forward layers are narrower than 8/3 C where two tables of tokens would make
  // the model larger than its name says.
  if (name == "tiny") return size(128, 3, 4, 16, 128, {2, 3}, 224);
  if (name == "small") return size(256, 6, 4, 16, 128, {2, 4, 6}, 0);
  if (name == "base") return size(768, 12, 12, 32, 256, {5, 8, 11}, 1280);
  if (name == "1b") return size(1792, 24, 14, 32, 512, {3, 6, 9, 12, 15, 18, 21, 24}, 4480);
  fail_because("rmkv preset", unknown_name_text("preset", name, {"tiny", "small", "base", "1b"}));
}

}  // namespace rmkv
