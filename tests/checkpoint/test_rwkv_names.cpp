// Official models laid out as other programs do, read back: every name, shape and value.
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/weight_file.h"
#include "core/tensor/safetensors.h"
#include "tests/catch.h"
#include "tests/checkpoint/model_bytes.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using namespace rmkv::test;
using Catch::Matchers::Contains;

namespace {

constexpr uint64_t kSeed = 5;

RwkvConfig config_of(int64_t version, const std::string& minor = "5.2") {
  Table table{{"architecture", "rwkv" + std::to_string(version)},
              {"vocabulary", 11},
              {"channels", 12},
              {"layers", 2},
              {"ffn_hidden", 20}};
  if (version == 5) table["minor"] = minor;
  if (version > 4) table["head_size"] = 4;
  if (version == 6) table["mix_rank"] = 2;
  if (version >= 6) table["decay_rank"] = 3;
  if (version == 7) {
    table["rate_rank"] = 2;
    table["value_rank"] = 5;
    table["gate_rank"] = 7;
  }
  return RwkvConfig::from_table(table);
}

std::string text_of(const RwkvConfig& config) {
  return Value(config.to_table()).to_text();
}

bool same(const WeightFile& file, const Tensors& official, double tolerance = 0) {
  REQUIRE(file.weights.size() <= official.size());
  for (const auto& [name, tensor] : official) {
    const auto found = file.weights.find(name);
    if (found == file.weights.end()) {
      // Nothing reads them, and some programs leave them out.
      REQUIRE(name.rfind("blocks.0.att.v", 0) == 0);
      continue;
    }
    INFO(name << " " << weight_text(found->second));
    REQUIRE(found->second.shape == tensor.sizes().vec());
    REQUIRE(at::allclose(found->second.to_float(), tensor.to(at::kFloat), tolerance, tolerance));
  }
  return true;
}

WeightFile read_bytes(const std::string& bytes) {
  auto owner = std::make_shared<const std::string>(bytes);
  return import_rwkv(parse_stored_weights(*owner, owner, "m"), "m");
}

WeightFile read_tensors(const Tensors& tensors, const std::string& config = "") {
  TemporaryFolder folder;
  if (!config.empty()) write_file_atomic(folder / "config.json", config);
  std::map<std::string, Tensor> named(tensors.begin(), tensors.end());
  write_safetensors(folder / "model.safetensors", named);
  return read_weight_file(folder.path());
}

Tensor six_rows(const Tensors& official, const std::string& at, const std::string& order,
                const std::string& stem) {
  const std::map<std::string, Tensor> named(official.begin(), official.end());
  std::vector<Tensor> rows;
  for (const char part : order) rows.push_back(named.at(at + stem + part));
  return at::stack(rows);
}

bool is_shift(const std::string& rest, const std::string& stem, const std::string& parts) {
  return rest.size() == stem.size() + 1 && rest.rfind(stem, 0) == 0 &&
         parts.find(rest.back()) != std::string::npos;
}

}  // namespace

TEST_CASE("official names need nothing, with or without ones and prefixes", "[names]") {
  for (const int64_t version : {4, 5, 6, 7}) {
    for (const char* minor : {"5.0", "5.1", "5.2"}) {
      if (version != 5 && std::string(minor) != "5.2") continue;
      const RwkvConfig config = config_of(version, minor);
      const Tensors official = official_tensors(config, kSeed);
      INFO("rwkv" << version << " " << minor);
      for (const char* prefix : {"", "model."}) {
        const WeightFile file = read_tensors(changed(official, [&](auto& name, auto& value) {
          const bool vector = value.dim() == 1 && name.find(".ln") > name.size() &&
                              name.find("ln_out") > name.size() && value.size(0) == 12;
          return std::pair(prefix + name, vector ? value.view({1, 1, -1}) : value);
        }));
        CHECK(file.names == "rwkv");
        CHECK(text_of(file.config) == text_of(config));
        CHECK(same(file, official));
      }
    }
  }
}

TEST_CASE("rwkv.cpp's files: exponentials, transposes, six shifts in one", "[names]") {
  for (const int64_t version : {4, 5, 6, 7}) {
    for (const char* minor : {"5.0", "5.2"}) {
      if (version != 5 && std::string(minor) != "5.2") continue;
      INFO("rwkv" << version << " " << minor);
      RwkvConfig config = config_of(version, minor);
      const Tensors official = official_tensors(config, kSeed);
      Tensors theirs = changed(official, [&](auto& name, auto& value) {
        const std::string end = last_part(name);
        const auto [at, rest] = split_block(name);
        Tensor other = is_low_rank(name) ? value.transpose(-1, -2) : value;
        if (end == "time_decay" && version == 4) other = -value.exp();
        if (end == "time_decay" && version == 5) other = (-value.exp()).exp().view({3, -1, 1});
        if (end == "time_decay" && version == 6) other = value.view({3, 4, 1});
        if (end == "time_first" && version == 5) other = value.exp().view({3, 1, 1});
        if (end == "time_faaaa") other = value.view({3, 4, 1});
        if (version == 7 && is_shift(rest, "att.x_", "wkvag"))
          return std::pair(std::string(), value);
        if (rest == "att.x_r") {
          return std::pair(at + "att.x_rwkvag",
                           six_rows(official, at, "rwkvag", "att.x_").view({6, 1, -1}));
        }
        return std::pair(std::string(name), other);
      });
      const WeightFile file = read_bytes(ggmf_file(theirs, 2));
      if (version == 5) config.group_norm_epsilon = 1e-5;  // what rwkv.cpp computes with
      CHECK(file.names == "rwkv.cpp");
      CHECK(text_of(file.config) == text_of(config));
      CHECK(same(file, official, version <= 5 ? 1e-5 : 0));
    }
  }
}

TEST_CASE("decays that rounding took to 0 and 1 stay there", "[names]") {
  const RwkvConfig config = config_of(5);
  Tensors theirs = changed(official_tensors(config, kSeed), [&](auto& name, auto& value) {
    const std::string end = last_part(name);
    if (end != "time_decay") return std::pair(std::string(name), value);
    Tensor decay = at::full({3, 4, 1}, 0.5);
    decay.view(-1)[0] = 0;
    decay.view(-1)[1] = 1;
    return std::pair(std::string(name), decay);
  });
  const WeightFile file = read_bytes(ggmf_file(theirs, 2));
  const Tensor raw = file.weights.at("blocks.0.att.time_decay").to_float();
  const Tensor decay = (-raw.exp()).exp();
  CHECK(raw.isfinite().all().item<bool>());
  CHECK(decay[0][0].item<float>() == 0);
  CHECK(decay[0][1].item<float>() == 1);
  CHECK(decay[2][3].item<float>() == Approx(0.5));
  for (auto& [name, value] : theirs) {
    if (last_part(name) == "time_decay") value = value + 0.6;
  }
  CHECK_THROWS_WITH(read_bytes(ggmf_file(theirs, 2)),
                    Contains("blocks.0.att.time_decay") && Contains("1.6"));
}

TEST_CASE("transformers' names of version 4", "[names]") {
  const RwkvConfig config = config_of(4);
  const Tensors official = official_tensors(config, kSeed);
  const std::map<std::string, std::string> longer = {{"time_mix_k", "time_mix_key"},
                                                     {"time_mix_v", "time_mix_value"},
                                                     {"time_mix_r", "time_mix_receptance"}};
  const WeightFile file = read_tensors(changed(official, [&](auto& name, auto& value) {
    if (name == "head.weight") return std::pair(std::string(name), value);
    if (name == "emb.weight") return std::pair(std::string("rwkv.embeddings.weight"), value);
    auto [at, rest] = split_block(name);
    if (at.empty()) return std::pair("rwkv." + rest, value);
    const std::string end = last_part(rest);
    if (longer.count(end)) rest = rest.substr(0, rest.size() - end.size()) + longer.at(end);
    if (rest.rfind("ln0", 0) == 0) rest = "pre_ln" + rest.substr(3);
    if (rest.rfind("att.", 0) == 0) rest = "attention." + rest.substr(4);
    if (rest.rfind("ffn.", 0) == 0) rest = "feed_forward." + rest.substr(4);
    const bool shift = end.rfind("time_mix", 0) == 0;
    return std::pair("rwkv." + at + rest, shift ? value.view({1, 1, -1}) : value);
  }));
  CHECK(file.names == "huggingface");
  CHECK(same(file, official));
}

TEST_CASE("flash-linear-attention's names of version 7", "[names]") {
  RwkvConfig config = config_of(7);
  const Tensors official = official_tensors(config, kSeed);
  const std::map<std::string, std::string> projections = {
      {"att.receptance.weight", "r_proj.weight"}, {"att.key.weight", "k_proj.weight"},
      {"att.value.weight", "v_proj.weight"},      {"att.output.weight", "o_proj.weight"},
      {"att.ln_x.weight", "g_norm.weight"},       {"att.ln_x.bias", "g_norm.bias"}};
  const std::map<std::string, std::string> norms = {
      {"ln0", "pre_norm"}, {"ln1", "attn_norm"}, {"ln2", "ffn_norm"}};
  for (const bool stacked : {false, true}) {
    const WeightFile file = read_tensors(
        changed(official,
                [&](auto& name, auto& value) {
                  const auto [block, rest] = split_block(name);
                  if (name == "emb.weight") {
                    return std::pair(std::string("model.embeddings.weight"), value);
                  }
                  if (name == "head.weight") return std::pair(std::string("lm_head.weight"), value);
                  if (block.empty()) return std::pair("model.norm." + last_part(name), value);
                  const std::string at = "model.layers." + block.substr(7);
                  if (norms.count(rest.substr(0, 3))) {
                    return std::pair(at + norms.at(rest.substr(0, 3)) + rest.substr(3), value);
                  }
                  if (rest.rfind("ffn.", 0) == 0) return std::pair(at + rest, value);
                  if (projections.count(rest)) {
                    return std::pair(at + "attn." + projections.at(rest), value);
                  }
                  if (stacked && is_shift(rest, "att.x_", "wkvag")) {
                    return std::pair(std::string(), value);
                  }
                  if (stacked && rest == "att.x_r") {
                    return std::pair(at + "attn.x_x",
                                     six_rows(official, block, "rwkvag", "att.x_"));
                  }
                  const std::string end = last_part(rest);
                  if (end.size() == 2 && std::string("012").find(end[1]) != std::string::npos) {
                    // Layer 0 has no value residual there.
                    if (block == "blocks.0." && end[0] == 'v') {
                      return std::pair(std::string(), value);
                    }
                    const std::string lora = at + "attn." + end[0] + "_lora.lora.";
                    if (end[1] == '0') return std::pair(lora + "2.bias", value);
                    return std::pair(lora + (end[1] == '1' ? "0" : "2") + ".weight", value.t());
                  }
                  return std::pair(at + "attn." + end, value);
                }),
        R"({"norm_eps": 3e-5})");
    CHECK(file.names == "fla");
    config.group_norm_epsilon = 4 * 3e-5;
    CHECK(text_of(file.config) == text_of(config));
    CHECK(same(file, official));
  }
}

TEST_CASE("flash-linear-attention's names of version 6: another order of the five shifts",
          "[names]") {
  const RwkvConfig config = config_of(6);
  const Tensors official = official_tensors(config, kSeed);
  const std::map<std::string, std::string> names = {
      {"att.receptance.weight", "attn.r_proj.linear.weight"},
      {"att.key.weight", "attn.k_proj.linear.weight"},
      {"att.value.weight", "attn.v_proj.linear.weight"},
      {"att.gate.weight", "attn.g_proj.linear.weight"},
      {"att.output.weight", "attn.o_proj.weight"},
      {"att.ln_x.weight", "attn.g_norm.weight"},
      {"att.ln_x.bias", "attn.g_norm.bias"},
      {"att.time_maa_x", "attn.x_proj.0.mu"},
      {"att.time_faaaa", "attn.bonus"},
      {"att.time_decay", "attn.w_proj.linear.lora.2.bias"},
      {"ln0.weight", "pre_norm.weight"},
      {"ln0.bias", "pre_norm.bias"},
      {"ln1.weight", "attn_norm.weight"},
      {"ln1.bias", "attn_norm.bias"},
      {"ln2.weight", "ffn_norm.weight"},
      {"ln2.bias", "ffn_norm.bias"},
      {"ffn.key.weight", "ffn.key.linear.weight"},
      {"ffn.receptance.weight", "ffn.receptance.linear.weight"},
      {"ffn.value.weight", "ffn.value.weight"},
      {"ffn.time_maa_k", "ffn.key.mu"},
      {"ffn.time_maa_r", "ffn.receptance.mu"}};
  const WeightFile file = read_tensors(changed(official, [&](auto& name, auto& value) {
    const auto [block, rest] = split_block(name);
    if (name == "emb.weight") return std::pair(std::string("model.embeddings.weight"), value);
    if (name == "head.weight") return std::pair(std::string("lm_head.weight"), value);
    if (block.empty()) return std::pair("model.norm." + last_part(name), value);
    const std::string at = "model.layers." + block.substr(7);
    if (names.count(rest)) return std::pair(at + names.at(rest), value);
    // The converter of that project: unbind the parts w, k, v, r, g and put r in front.
    const auto reordered = [](const std::vector<Tensor>& p, int64_t dim) {
      return at::cat({p[3], p[0], p[1], p[2], p[4]}, dim);
    };
    if (rest == "att.time_maa_w1") {
      return std::pair(at + "attn.x_proj.0.linear.weight",
                       reordered(value.view({12, 5, 2}).unbind(1), 1).t());
    }
    if (rest == "att.time_maa_w2") {
      return std::pair(at + "attn.x_proj.2.weight", reordered(value.unbind(0), 0).t());
    }
    if (rest == "att.time_decay_w1") {
      return std::pair(at + "attn.w_proj.linear.lora.0.weight", value.t());
    }
    if (rest == "att.time_decay_w2") {
      return std::pair(at + "attn.w_proj.linear.lora.2.weight", value.t());
    }
    if (rest == "att.time_maa_r") {
      return std::pair(at + "attn.x_bias", six_rows(official, block, "rwkvg", "att.time_maa_"));
    }
    return std::pair(std::string(), value);
  }));
  CHECK(file.names == "fla");
  CHECK(text_of(file.config) == text_of(config));
  CHECK(same(file, official));
}

TEST_CASE("web-rwkv's names: maa is mix, faaaa is first, low-rank maps are turned", "[names]") {
  for (const int64_t version : {5, 6, 7}) {
    INFO("rwkv" << version);
    const RwkvConfig config = config_of(version);
    const Tensors official = official_tensors(config, kSeed);
    const WeightFile file = read_tensors(changed(official, [&](auto& name, auto& value) {
      std::string other = name;
      const size_t maa = other.find("time_maa"), bonus = other.find("time_faaaa");
      if (maa != std::string::npos) other.replace(maa, 8, "time_mix");
      if (bonus != std::string::npos) other.replace(bonus, 10, "time_first");
      return std::pair(other, is_low_rank(name) ? value.transpose(-1, -2) : value);
    }));
    CHECK(file.names == "web-rwkv");
    CHECK(text_of(file.config) == text_of(config));
    CHECK(same(file, official));
  }
}

namespace {

// llama.cpp's converter: see rwkv_names_llama_cpp.cpp.
Tensors as_llama_cpp(const Tensors& official, int64_t version, int64_t rescale_every) {
  return changed(official, [&](auto& name, auto& value) {
    const auto [block, rest] = split_block(name);
    if (name == "emb.weight") return std::pair(std::string("token_embd.weight"), value);
    if (name == "head.weight") return std::pair(std::string("output.weight"), value);
    if (block.empty()) return std::pair("output_norm." + last_part(name), value);
    if (rest.rfind("ln0", 0) == 0) return std::pair("token_embd_norm" + rest.substr(3), value);
    const std::string at = "blk." + block.substr(7), end = last_part(rest);
    if (rest.rfind("ln1", 0) == 0) return std::pair(at + "attn_norm" + rest.substr(3), value);
    if (rest.rfind("ln2", 0) == 0) return std::pair(at + "attn_norm_2" + rest.substr(3), value);
    if (rest.rfind("att.ln_x", 0) == 0)
      return std::pair(at + "time_mix_ln" + rest.substr(8), value);
    const int64_t layer = name[7] - '0';
    const bool scaled = rest == "att.output.weight" || rest == "ffn.value.weight";
    Tensor other = scaled && rescale_every > 0
                       ? value / std::pow(2.0, static_cast<double>(layer / rescale_every))
                       : value;
    if (is_low_rank(name)) other = value.transpose(-1, -2);
    if (end == "weight") {
      const std::string stem = rest[0] == 'a' ? "time_mix_" : "channel_mix_";
      return std::pair(at + stem + rest.substr(4), other);
    }
    const std::string shifts = version == 7 ? "att.x_" : "att.time_maa_";
    const std::string order = version == 7 ? "rwkvag" : "wkvrg";
    if (rest == shifts + order[0]) {
      return std::pair(at + "time_mix_lerp_fused.weight",
                       six_rows(official, block, order, shifts).view({-1, 1, 1, 12}));
    }
    if (is_shift(rest, shifts, order)) return std::pair(std::string(), value);
    if (version == 7) {
      if (rest == "ffn.x_k") return std::pair(at + "channel_mix_lerp_k.weight", value);
      if (block == "blocks.0." && end[0] == 'v') {
        // A copy of a0, a1, a2, of another rank.
        return std::pair(at + "time_mix_" + end + ".weight", at::zeros({3}));
      }
      return std::pair(at + "time_mix_" + end + ".weight", end == "r_k" ? other.flatten() : other);
    }
    const std::map<std::string, std::string> names = {
        {"att.time_maa_x", "time_mix_lerp_x"},      {"att.time_faaaa", "time_mix_first"},
        {"att.time_decay", "time_mix_decay"},       {"att.time_decay_w1", "time_mix_decay_w1"},
        {"att.time_decay_w2", "time_mix_decay_w2"}, {"att.time_maa_w1", "time_mix_w1"},
        {"att.time_maa_w2", "time_mix_w2"},         {"ffn.time_maa_k", "channel_mix_lerp_k"},
        {"ffn.time_maa_r", "channel_mix_lerp_r"}};
    return std::pair(at + names.at(rest) + ".weight", other);
  });
}

}  // namespace

TEST_CASE("llama.cpp's GGUF of versions 6 and 7", "[names]") {
  for (const int64_t version : {6, 7}) {
    const std::string architecture = "rwkv" + std::to_string(version);
    INFO(architecture);
    const RwkvConfig config = config_of(version);
    const Tensors official = official_tensors(config, kSeed);
    const std::vector<std::string> pairs = {
        gguf_pair("general.architecture", 8, gguf_text(architecture)),
        gguf_pair(architecture + ".wkv.head_size", 4, little(4, 4)),
        gguf_pair(architecture + ".rescale_every_n_layers", 4, little(version == 6 ? 1 : 0, 4)),
        gguf_pair("tokenizer.ggml.tokens", 9,
                  little(8, 4) + little(2, 8) + gguf_text("a") + gguf_text("b"))};
    const WeightFile file =
        read_bytes(gguf_file(pairs, as_llama_cpp(official, version, version == 6 ? 1 : 0)));
    CHECK(file.names == "llama.cpp");
    CHECK(text_of(file.config) == text_of(config));
    CHECK(same(file, official));
  }
}

TEST_CASE("what is missing, unknown or misshapen is named", "[names]") {
  const Tensors official = official_tensors(config_of(7), kSeed);
  const auto without = [&](const std::string& gone) {
    return changed(official, [&](auto& name, auto& value) {
      return std::pair(name == gone ? std::string() : std::string(name), value);
    });
  };
  const auto reshaped_as = [&](const std::string& which, std::vector<int64_t> shape) {
    return changed(official, [&](auto& name, auto& value) {
      return std::pair(std::string(name), name == which ? at::zeros(shape) : value);
    });
  };
  for (const char* name : {"blocks.1.att.key.weight", "blocks.1.ffn.x_k", "head.weight",
                           "ln_out.bias", "blocks.0.att.w1"}) {
    INFO(name);
    CHECK_THROWS_WITH(read_tensors(without(name)), Contains(name));
  }
  CHECK_NOTHROW(read_tensors(without("blocks.0.att.v0")));
  for (const auto& [name, shape] : std::vector<std::pair<std::string, std::vector<int64_t>>>{
           {"blocks.1.att.key.weight", {12, 13}},
           {"blocks.1.ffn.value.weight", {20, 12}},
           {"blocks.0.ln1.weight", {11}},
           {"head.weight", {12, 12}},
           {"blocks.1.att.r_k", {4, 4}},
           {"emb.weight", {11}}}) {
    INFO(name);
    CHECK_THROWS_WITH(read_tensors(reshaped_as(name, shape)), Contains(name));
  }
  Tensors more = official;
  more.emplace_back("blocks.0.att.surprise", at::zeros({3}));
  CHECK_THROWS_WITH(read_tensors(more), Contains("unknown tensor 'blocks.0.att.surprise'"));
  CHECK_THROWS_WITH(read_tensors({{"a", at::zeros({2})}}), Contains("named otherwise ('a')"));
}
