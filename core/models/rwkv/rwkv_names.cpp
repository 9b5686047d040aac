// Names and shapes of the parameters, and the way back from shapes to a configuration; declared in
// rwkv_config.h.
#include <algorithm>

#include "core/base/error.h"
#include "core/models/rwkv/rwkv_config.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "rwkv parameters";
using Shape = std::vector<int64_t>;
using Shapes = std::map<std::string, Shape>;

class NameList {
 public:
  explicit NameList(const RwkvConfig& config) : c_(config), d_(config.channels) {}

  void add(const std::string& name, Shape shape, bool optional = false) {
    list_.push_back({name, std::move(shape), optional});
  }
  void norm(const std::string& name) {
    add(name + ".weight", {d_});
    add(name + ".bias", {d_});
  }
  // Matrices [D, D] of the time mix, by name.
  void square(const std::string& at, const std::vector<std::string>& names) {
    for (const std::string& name : names) add(at + name + ".weight", {d_, d_});
  }
  void vectors(const std::string& at, const std::vector<std::string>& names) {
    for (const std::string& name : names) add(at + name, {d_});
  }
  void low_rank(const std::string& at, const std::string& name, int64_t rank, bool optional) {
    add(at + name + "0", {d_}, optional);
    add(at + name + "1", {d_, rank}, optional);
    add(at + name + "2", {rank, d_}, optional);
  }

  void time_mix(int64_t layer) {
    const std::string at = "blocks." + std::to_string(layer) + ".att.";
    const int64_t H = c_.version == 4 ? 0 : c_.heads(), N = c_.head_size;
    if (c_.version == 4) {
      vectors(at, {"time_decay", "time_first", "time_mix_k", "time_mix_v", "time_mix_r"});
      square(at, {"key", "value", "receptance", "output"});
    } else if (c_.version == 5) {
      const Shape per_head = c_.minor == 2 ? Shape{H, N} : Shape{H};
      add(at + "time_decay", per_head);
      add(at + (c_.minor == 0 ? "time_first" : "time_faaaa"), per_head);
      vectors(at, {"time_mix_k", "time_mix_v", "time_mix_r"});
      square(at, {"receptance", "key", "value", "output"});
      if (c_.minor > 0) {
        vectors(at, {"time_mix_g"});
        square(at, {"gate"});
      }
    } else if (c_.version == 6) {
      vectors(at, {"time_maa_x", "time_maa_w", "time_maa_k", "time_maa_v", "time_maa_r",
                   "time_maa_g", "time_decay"});
      add(at + "time_maa_w1", {d_, 5 * c_.mix_rank});
      add(at + "time_maa_w2", {5, c_.mix_rank, d_});
      add(at + "time_decay_w1", {d_, c_.decay_rank});
      add(at + "time_decay_w2", {c_.decay_rank, d_});
      add(at + "time_faaaa", {H, N});
      square(at, {"receptance", "key", "value", "gate", "output"});
    } else {
      vectors(at, {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a"});
      add(at + "r_k", {H, N});
      low_rank(at, "w", c_.decay_rank, false);
      low_rank(at, "a", c_.rate_rank, false);
      low_rank(at, "v", c_.value_rank, layer == 0);
      add(at + "g1", {d_, c_.gate_rank});
      add(at + "g2", {c_.gate_rank, d_});
      square(at, {"receptance", "key", "value", "output"});
    }
    if (c_.version > 4) norm(at + "ln_x");
    if (c_.output_bias) add(at + "output.bias", {d_});
    if (!c_.tuned_state) return;
    if (c_.version == 4) {
      fail(kWhere, "tuned_state in version 4", "versions 5 to 7, whose state is a matrix");
    }
    add(at + "time_state", {H, N, N});
  }

  void channel_mix(int64_t layer) {
    const std::string at = "blocks." + std::to_string(layer) + ".ffn.";
    if (c_.version <= 5) {
      vectors(at, {"time_mix_k", "time_mix_r"});
    } else if (c_.version == 6) {
      vectors(at, {"time_maa_k", "time_maa_r"});
    } else {
      vectors(at, {"x_k"});
    }
    add(at + "key.weight", {c_.ffn_hidden, d_});
    if (c_.version < 7) square(at, {"receptance"});
    add(at + "value.weight", {d_, c_.ffn_hidden});
  }

  std::vector<RwkvParameter> all() {
    add("emb.weight", {c_.vocabulary, d_});
    for (int64_t layer = 0; layer < c_.layers; ++layer) {
      const std::string at = "blocks." + std::to_string(layer) + ".";
      if (layer == 0 && c_.input_norm) norm(at + "ln0");
      norm(at + "ln1");
      norm(at + "ln2");
      time_mix(layer);
      channel_mix(layer);
    }
    norm("ln_out");
    add("head.weight", {c_.vocabulary, d_});
    if (c_.head_bias) add("head.bias", {c_.vocabulary});
    return std::move(list_);
  }

 private:
  const RwkvConfig& c_;
  int64_t d_;
  std::vector<RwkvParameter> list_;
};

// The shape without its ones, for comparisons and sizes; a lone one stays.
Shape squeezed(const Shape& shape) {
  Shape result;
  for (const int64_t size : shape) {
    if (size != 1) result.push_back(size);
  }
  return result.empty() ? Shape{1} : result;
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

std::string text_of(const Shape& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

const Shape& need(const Shapes& shapes, const std::string& name, size_t dimensions) {
  const auto place = shapes.find(name);
  if (place == shapes.end()) fail(kWhere, "no '" + name + "'", "an RWKV model's parameters");
  if (place->second.size() < dimensions) {
    fail(kWhere, name + " " + text_of(place->second), std::to_string(dimensions) + " dimensions");
  }
  for (const int64_t size : place->second) {
    if (size < 1 || size > (int64_t{1} << 24)) {
      fail(kWhere, name + " " + text_of(place->second), "sizes from 1 to 2^24");
    }
  }
  return place->second;
}

int64_t layer_count(const Shapes& shapes) {
  int64_t layers = 0;
  while (layers < 1024 && shapes.count("blocks." + std::to_string(layers) + ".ln1.weight")) {
    ++layers;
  }
  if (layers == 0) fail(kWhere, "no 'blocks.0.ln1.weight'", "an RWKV model's parameters");
  return layers;
}

// H from the tensor that has one row per head ([H], [H, N], [H, N, 1], [H, 1, 1]); 0 where it has
// been flattened to [D].
int64_t heads_from(const Shape& shape, int64_t channels) {
  if (element_count(shape) == channels) {
    return shape.size() >= 2 && shape[0] != 1 ? shape[0] : 0;
  }
  return shape[0];
}

void detect_heads(RwkvConfig& c, const Shape& bonus, const RwkvHints& hints) {
  const int64_t heads = heads_from(bonus, c.channels);
  if (hints.head_size > 0) {
    c.head_size = hints.head_size;
  } else if (heads > 0 && c.channels % heads == 0) {
    c.head_size = c.channels / heads;
  } else if (bonus.size() == 2 && bonus[0] == 1) {
    c.head_size = c.channels;  // one head
  } else {
    c.head_size = 64;  // every official model
  }
  if (c.head_size < 1 || c.head_size > 256 || c.channels % c.head_size != 0) {
    fail(kWhere, "a head size of " + std::to_string(c.head_size),
         "a divisor of D = " + std::to_string(c.channels) + ", at most 256");
  }
}

}  // namespace

std::vector<RwkvParameter> rwkv_parameters(const RwkvConfig& config) {
  return NameList(config).all();
}

int64_t rwkv_parameter_count(const RwkvConfig& config) {
  int64_t count = 0;
  for (const RwkvParameter& parameter : rwkv_parameters(config)) {
    count += element_count(parameter.shape);
  }
  return count;
}

RwkvConfig detect_rwkv_config(const Shapes& shapes, const RwkvHints& hints) {
  const std::string att = "blocks.0.att.";
  const auto has = [&](const std::string& name) { return shapes.count(name) > 0; };
  RwkvConfig c;
  const Shape& embedding = need(shapes, "emb.weight", 2);
  c.vocabulary = embedding[0];
  c.channels = embedding[1];
  c.layers = layer_count(shapes);
  c.ffn_hidden = need(shapes, "blocks.0.ffn.key.weight", 2)[0];
  c.input_norm = has("blocks.0.ln0.weight");
  c.output_bias = has(att + "output.bias");
  c.head_bias = has("head.bias");
  c.tuned_state = has(att + "time_state");
  if (hints.group_norm_epsilon > 0) c.group_norm_epsilon = hints.group_norm_epsilon;
  // The first name that only one version has decides (section 1.9).
  if (has(att + "r_k")) {
    c.version = 7;
    detect_heads(c, need(shapes, att + "r_k", 1), hints);
    c.decay_rank = need(shapes, att + "w1", 2)[1];
    c.rate_rank = need(shapes, att + "a1", 2)[1];
    c.gate_rank = need(shapes, att + "g1", 2)[1];
    // Layer 0 may lack it, and a model of one layer has no other.
    const std::string value = c.layers > 1 ? "blocks.1.att.v1" : att + "v1";
    c.value_rank = c.layers > 1 || has(value) ? need(shapes, value, 2)[1] : 32;
  } else if (has(att + "time_maa_x")) {
    c.version = 6;
    detect_heads(c, need(shapes, att + "time_faaaa", 1), hints);
    c.mix_rank = need(shapes, att + "time_maa_w1", 2)[1] / 5;
    c.decay_rank = need(shapes, att + "time_decay_w1", 2)[1];
  } else if (has(att + "ln_x.weight")) {
    c.version = 5;
    const Shape& decay = need(shapes, att + "time_decay", 1);
    const bool gate = has(att + "gate.weight");
    c.minor = !gate ? 0 : element_count(decay) == c.channels ? 2 : 1;
    detect_heads(c, decay, hints);
  } else {
    need(shapes, att + "time_decay", 1);
    c.version = 4;
  }
  for (const RwkvParameter& parameter : rwkv_parameters(c)) {
    if (parameter.optional && !has(parameter.name)) continue;
    const Shape& found = need(shapes, parameter.name, 1);
    if (squeezed(found) != squeezed(parameter.shape) &&
        !(parameter.shape.size() == 2 && parameter.shape[0] == c.heads() &&
          squeezed(found) == squeezed({element_count(parameter.shape)}))) {
      fail(kWhere, parameter.name + " " + text_of(found), text_of(parameter.shape));
    }
  }
  return c;
}

}  // namespace rmkv
