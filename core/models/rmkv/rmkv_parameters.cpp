// Declaration, initialisation and binding of the parameters; see rmkv_parameters.h.
#include "core/models/rmkv/rmkv_parameters.h"

#include <cmath>

#include "core/base/random.h"
#include "core/kernels/cpu/parallel.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using Group = ParameterGroup;
using Kind = InitialKind;

// Deviations that have no formula: embeddings as in GPT-2; slot identities a visible fraction of
// the normalised rows (deviation 1) they are added to.
constexpr double kEmbeddingDeviation = 0.02;
constexpr double kSlotIdDeviation = 0.3;
// Gate weights start small, so that at first the biases alone set how long a slot keeps.
constexpr double kGateShrink = 0.1;
// Addresses are scaled to unit length, so the size of their map only sets how fast Adam turns it.
// While the store's output is still near zero its gradients are noise of low rank, and steps of the
// common size undo the matching of words within fifty of them.
constexpr double kAddressScale = 30;
// About the size of the embeddings it is added to: drawn with a deviation of 0.3, or normalised.
constexpr double kAnswerScale = 0.3, kCodeAnswerScale = 1;
// Deviation of the first logits of an untied head, whose rows have then a length of 0.5 (as RWKV's)
// and take a token's code in the residual stream for that token.
constexpr double kLogitDeviation = 0.5;
// Share of a pair that a write of the store's induction form puts down at first.
constexpr double kStoreWrite = 0.2;

// Initial weight of the row before in the last channel of a shift; from the first channel on it
// rises evenly, so that a layer starts with some channels for the token and some for both, as RWKV
// does.  From weights of zero Adam's steps of 3e-3 would need hundreds of steps to get there.
constexpr double kShiftShare = 0.7;

class SpecList {
 public:
  explicit SpecList(const RmkvConfig& config) : c_(config), channels_(config.channels) {
    // SmallInit (Nguyen and Salazar 2019); branches that end in the residual stream shrink with
    // depth (GPT-2).
    matrix_ = std::sqrt(2.0 / (5.0 * static_cast<double>(channels_)));
    residual_ = matrix_ / std::sqrt(2.0 * static_cast<double>(c_.layers)) * c_.branch_scale;
  }

  void add(const std::string& name, std::vector<int64_t> shape, Group group, Kind kind,
           std::vector<double> values) {
    specs_.push_back({name, std::move(shape), group, kind, std::move(values)});
  }
  void matrix(const std::string& name, int64_t rows, int64_t columns,
              std::vector<double> deviations) {
    add(name, {rows, columns}, Group::kMatrix, Kind::kNormal, std::move(deviations));
  }
  void constant(const std::string& name, std::vector<int64_t> shape, double value,
                Group group = Group::kVector) {
    add(name, std::move(shape), group, Kind::kConstant, {value});
  }

  void attention(const std::string& at) {
    constant(at + "norm.weight", {channels_}, 1);
    if (c_.attention_shift > 0) shift(at + "shift", c_.attention_shift);
    if (c_.qk_norm) {
      constant(at + "attention.query_norm", {c_.head_dim()}, 1);
      constant(at + "attention.key_norm", {c_.head_dim()}, 1);
    }
    if (c_.recency > 0) {
      add(at + "attention.qkv.bias", {3 * channels_}, Group::kVector, Kind::kRecency,
          {c_.recency, static_cast<double>(c_.heads)});
    }
    matrix(at + "attention.qkv.weight", 3 * channels_, channels_, {matrix_});
    matrix(at + "attention.out.weight", channels_, channels_, {residual_});
    if (c_.commit == Commit::kPublished) {
      constant(at + "norm.bias", {channels_}, 0);
      constant(at + "attention.qkv.bias", {3 * channels_}, 0);
      constant(at + "attention.out.bias", {channels_}, 0);
    }
  }

  void shift(const std::string& name, int64_t rows) {
    add(name, {rows, channels_}, Group::kVector, Kind::kShift, {kShiftShare});
  }

  void feed_forward(const std::string& at) {
    constant(at + "ffn.norm.weight", {channels_}, 1);
    if (c_.ffn_shift > 0) shift(at + "ffn.shift", c_.ffn_shift);
    const int64_t maps = c_.ffn == FeedForward::kSwiGlu ? 2 : 1;
    matrix(at + "ffn.in.weight", maps * c_.hidden(), channels_, {matrix_});
    matrix(at + "ffn.out.weight", channels_, c_.hidden(), {residual_});
  }

  void slots(const std::string& at) {
    const std::vector<int64_t> per_slot = {c_.slots, channels_};
    if (c_.zero_read) constant(at + "read_gate", {c_.heads}, 0, Group::kGate);
    add(at + "slot_id", per_slot, Group::kVector, Kind::kNormal, {kSlotIdDeviation});
    add(at + "initial", per_slot, Group::kVector, Kind::kNormal, {c_.memory_std});
    if (c_.cell == CellKind::kLstm) {
      add(at + "initial_carry", per_slot, Group::kVector, Kind::kNormal, {c_.memory_std});
    }
    if (c_.pooling == Pooling::kQuery) pool_query(at);
    // Undoes the depth scaling of the output projection it reads, or deep models would write next
    // to nothing.
    matrix(at + "input.weight", channels_, 2 * channels_,
           {std::sqrt(static_cast<double>(c_.layers) / static_cast<double>(channels_))});
    cell(at + "cell.");
  }

  void pool_query(const std::string& at) {
    add(at + "pool_query", {c_.slots, channels_}, Group::kVector, Kind::kNormal, {1.0});
  }

  void cell(const std::string& at) {
    const double map = 1.0 / std::sqrt(static_cast<double>(channels_)), gate = kGateShrink * map;
    std::vector<double> deviations;  // per stacked map: every one but the candidate is a gate
    switch (c_.cell) {
      case CellKind::kGru:
        deviations = {gate, gate, map};
        break;
      case CellKind::kLstm:
        deviations = {gate, gate, map, gate};
        break;
      case CellKind::kMinimal:
        deviations = {gate, map};
        break;
      case CellKind::kEma:
        deviations = {map};
        break;
    }
    const int64_t rows = cell_maps(c_.cell) * channels_;
    matrix(at + "input.weight", rows, channels_, deviations);
    constant(at + "input.bias", {rows}, 0);
    if (c_.cell != CellKind::kEma) matrix(at + "hidden.weight", rows, channels_, deviations);
    if (c_.cell == CellKind::kGru) constant(at + "hidden.bias", {rows}, 0);
    if (c_.commit == Commit::kPublished) return;
    add(at + "keep_bias", {c_.slots, channels_}, Group::kGate, Kind::kKeepBias, {c_.horizon});
    if (c_.cell == CellKind::kLstm) {
      add(at + "write_bias", {c_.slots, channels_}, Group::kGate, Kind::kWriteBias, {c_.horizon});
    }
  }

  void store(const std::string& at) {
    const int64_t heads = c_.store_head_count(), width = c_.store_convolution;
    if (c_.store_keys == StoreKeys::kCodes) {
      if (c_.store_values == StoreValues::kProjected)
        add(at + "value.weight", {channels_, channels_}, Group::kMatrix, Kind::kIdentity, {1});
      constant(at + "strength", {c_.vocabulary}, 1);
      constant(at + "mix", {width - 1, channels_}, 1 / std::sqrt(static_cast<double>(width - 1)));
    } else if (width <= 1) {
      matrix(at + "qkv.weight", 3 * channels_, channels_, {matrix_});
    } else {
      // Queries and keys share their map, so that the same words match from the first step on and
      // whatever training makes of the map; see store_mix.
      matrix(at + "map.weight", 2 * channels_, channels_, {kAddressScale * matrix_, matrix_});
      add(at + "mix", {width, 3 * channels_}, Group::kVector, Kind::kInduction, {});
    }
    matrix(at + "gate.weight", heads, channels_, {kGateShrink * matrix_});
    if (width > 1) {
      // Weak writes and slow forgetting: what is not looked up by the next hundred words must not
      // be gone before training has found out which writes matter.  Not in the gates' group, whose
      // twentyfold rate shortens the half-life to a few segments before anything depends on it.
      const double half_life = 4 * c_.horizon;
      constant(at + "gate.bias", {heads}, std::log(kStoreWrite / (1 - kStoreWrite)));
      constant(at + "decay", {heads}, -std::log(std::exp2(1 / half_life) - 1));
    } else {
      constant(at + "gate.bias", {heads}, 0, Group::kGate);
      add(at + "decay", {heads}, Group::kGate, Kind::kKeepBias, {c_.horizon});
    }
    // Codes answer from the first step on: the token that was read is put forward at once.
    const double answer = c_.store_values == StoreValues::kCodes ? kCodeAnswerScale
                          : c_.store_keys == StoreKeys::kCodes   ? kAnswerScale
                                                                 : 0;
    add(at + "out.weight", {channels_, channels_}, Group::kMatrix, Kind::kIdentity, {answer});
  }

  std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  const RmkvConfig& c_;
  int64_t channels_;
  double matrix_, residual_;
  std::vector<ParameterSpec> specs_;
};

std::string layer_path(int64_t layer) {
  return "layers." + std::to_string(layer + 1) + ".";
}

Tensor normal_values(const ParameterSpec& spec, uint64_t seed) {
  Tensor value = at::empty(spec.shape, at::kDouble);
  double* data = value.mutable_data_ptr<double>();
  const int64_t count = value.numel();
  const int64_t block = count / static_cast<int64_t>(spec.values.size());
  // Element i takes words 2i and 2i + 1 of the parameter's stream, whoever computes it.
  kernels::cpu::parallel_for(count, 1 << 15, [&](int64_t first, int64_t last) {
    RandomStream random(seed, spec.name);
    random.seek(2 * static_cast<uint64_t>(first));
    for (int64_t i = first; i < last; ++i)
      data[i] = random.normal() * spec.values[static_cast<size_t>(i / block)];
  });
  return value;
}

// See store_codes; fp64.
Tensor codes(int64_t vocabulary, int64_t channels) {
  return normal_values({"store codes", {vocabulary, channels}, Group::kVector, Kind::kNormal, {1}},
                       /*seed=*/0);
}

// The convolution of the store, [W, 3C], as an induction head: a query is the newest W - 1 tokens,
// a key the W - 1 tokens before the one whose value it stores, so from the first step on the store
// answers "what came after these words last time?" and only the copying has to be learned.  Source:
// Olsson et al. 2022, "In-context learning and induction heads"; the short convolution is that of
// H3 and DeltaNet.
Tensor store_mix(const ParameterSpec& spec) {
  Tensor value = at::zeros(spec.shape, at::kDouble);
  const int64_t past = spec.shape[0] - 1, channels = spec.shape[1] / 3;
  const double share = 1 / std::sqrt(static_cast<double>(past));
  value.narrow(0, 0, past).narrow(1, 0, channels).fill_(share);
  value.narrow(0, 1, past).narrow(1, channels, channels).fill_(share);
  value.narrow(0, 0, 1).narrow(1, 2 * channels, channels).fill_(1);
  return value;
}

Tensor shift_weights(const ParameterSpec& spec) {
  Tensor value = at::zeros(spec.shape, at::kDouble);
  value.select(0, 0).copy_(at::linspace(0, spec.values[0], spec.shape[1], at::kDouble));
  return value;
}

// Biases of queries and keys that make near tokens attract more, [3C].  With the same value b in
// all channels of a head the score of two tokens d apart gains b^2 D^(1/2) times the mean of
// cos(d theta) over the rotary angles, which falls from 1; head h of H gets (h + 1)/H of values[0].
Tensor recency_bias(const ParameterSpec& spec) {
  Tensor value = at::zeros(spec.shape, at::kDouble);
  const int64_t channels = spec.shape[0] / 3, heads = static_cast<int64_t>(spec.values[1]);
  const int64_t width = channels / heads;
  for (int64_t h = 0; h < heads; ++h) {
    const double score = spec.values[0] * static_cast<double>(h + 1) / static_cast<double>(heads);
    const double bias = std::sqrt(score / std::sqrt(static_cast<double>(width)));
    value.narrow(0, h * width, width).fill_(bias);
    value.narrow(0, channels + h * width, width).fill_(bias);
  }
  return value;
}

Tensor keep_biases(const ParameterSpec& spec, const std::string& stream, uint64_t seed) {
  Tensor value = at::empty(spec.shape, at::kDouble);
  double* data = value.mutable_data_ptr<double>();
  RandomStream random(seed, stream);
  for (int64_t i = 0; i < value.numel(); ++i) {
    const double half_life = std::exp(random.uniform() * std::log(spec.values[0]));
    const double keep = std::exp2(-1.0 / half_life);
    data[i] = std::log(keep / (1 - keep));
  }
  return value;
}

}  // namespace

std::vector<ParameterSpec> rmkv_parameter_specs(const RmkvConfig& c) {
  SpecList list(c);
  const bool published = c.commit == Commit::kPublished;
  const Kind head = c.store && c.store_values == StoreValues::kCodes ? Kind::kCodes : Kind::kNormal;
  list.add("embedding.weight", {c.vocabulary, c.channels}, Group::kEmbedding,
           c.tie_head ? head : Kind::kNormal, {c.embedding_std});
  if (c.embedding_norm) list.constant("embedding_norm.weight", {c.channels}, 1);
  if (c.positions == Positions::kLearned) {
    list.add("positions.weight", {c.segment_tokens, c.channels}, Group::kVector, Kind::kNormal,
             {kEmbeddingDeviation});
  }
  if (c.write_stream) {
    list.add("stream_start", {c.slots, c.channels}, Group::kVector, Kind::kNormal, {c.memory_std});
  }
  if (published) {
    list.add("initial_memory", {c.slots, c.channels}, Group::kVector, Kind::kNormal,
             {c.memory_std});
  }
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string at = layer_path(l);
    list.attention(at);
    if (published) {
      list.pool_query(at + "memory.");
      list.cell(at + "memory.cell.");
      continue;
    }
    if (c.ffn != FeedForward::kNone) list.feed_forward(at);
    if (c.slots > 0 && c.has_memory(l)) list.slots(at + "memory.");
    if (c.has_store(l)) list.store(at + "store.");
  }
  // Large embeddings begin with a smaller gain, or the first logits would be wild.
  list.constant("final_norm.weight", {c.channels},
                c.tie_head ? std::sqrt(kEmbeddingDeviation / c.embedding_std) : 1);
  if (published) list.constant("final_norm.bias", {c.channels}, 0);
  if (!c.tie_head) {
    list.add("head.weight", {c.vocabulary, c.channels}, Group::kMatrix, head,
             {kLogitDeviation / std::sqrt(static_cast<double>(c.channels))});
  }
  return list.take();
}

int64_t rmkv_parameter_count(const RmkvConfig& config) {
  int64_t count = 0;
  for (const ParameterSpec& spec : rmkv_parameter_specs(config)) {
    int64_t elements = 1;
    for (const int64_t size : spec.shape) elements *= size;
    count += elements;
  }
  return count;
}

Tensor initial_value(const ParameterSpec& spec, uint64_t seed) {
  switch (spec.kind) {
    case Kind::kNormal:
      return normal_values(spec, seed);
    case Kind::kIdentity:
      return at::eye(spec.shape[0], at::kDouble) * spec.values[0];
    case Kind::kCodes:
      return codes(spec.shape[0], spec.shape[1]) * spec.values[0];
    case Kind::kInduction:
      return store_mix(spec);
    case Kind::kConstant:
      return at::full(spec.shape, spec.values[0], at::kDouble);
    case Kind::kShift:
      return shift_weights(spec);
    case Kind::kRecency:
      return recency_bias(spec);
    case Kind::kKeepBias:
      return keep_biases(spec, spec.name, seed);
    case Kind::kWriteBias: {
      const std::string folder = spec.name.substr(0, spec.name.rfind('.') + 1);
      return keep_biases(spec, folder + "keep_bias", seed).neg();
    }
  }
  RMKV_ASSERT(false);
}

Tensor store_codes(const RmkvConfig& config, at::ScalarType dtype, at::Device device) {
  return codes(config.vocabulary, config.channels).to(dtype).to(device);
}

RmkvWeights bind_weights(const RmkvConfig& config, const ParameterStore& store) {
  const auto find = [&](const std::string& name) {
    return store.has(name) ? store.get(name).value : Tensor();
  };
  RmkvWeights w;
  w.embedding = find("embedding.weight");
  w.embedding_norm = find("embedding_norm.weight");
  w.positions = find("positions.weight");
  w.stream_start = find("stream_start");
  w.initial = find("initial_memory");
  w.final_norm = find("final_norm.weight");
  w.final_norm_bias = find("final_norm.bias");
  if (config.store && config.store_keys == StoreKeys::kCodes) {
    w.codes = store_codes(config, w.embedding.scalar_type(), w.embedding.device());
  }
  w.head = config.tie_head ? w.embedding : find("head.weight");
  for (int64_t l = 0; l < config.layers; ++l) {
    const std::string at = layer_path(l), memory = at + "memory.", cell = memory + "cell.",
                      store_at = at + "store.";
    RmkvLayer layer;
    layer.norm = find(at + "norm.weight");
    layer.norm_bias = find(at + "norm.bias");
    layer.qkv = find(at + "attention.qkv.weight");
    layer.qkv_bias = find(at + "attention.qkv.bias");
    layer.shift = find(at + "shift");
    layer.query_norm = find(at + "attention.query_norm");
    layer.key_norm = find(at + "attention.key_norm");
    layer.out = find(at + "attention.out.weight");
    layer.out_bias = find(at + "attention.out.bias");
    layer.ffn_norm = find(at + "ffn.norm.weight");
    layer.ffn_shift = find(at + "ffn.shift");
    layer.ffn_in = find(at + "ffn.in.weight");
    layer.ffn_out = find(at + "ffn.out.weight");
    layer.read_gate = find(memory + "read_gate");
    layer.slot_id = find(memory + "slot_id");
    layer.initial = find(memory + "initial");
    layer.initial_carry = find(memory + "initial_carry");
    layer.pool_query = find(memory + "pool_query");
    layer.cell_input = find(memory + "input.weight");
    layer.cell.input_weight = find(cell + "input.weight");
    layer.cell.input_bias = find(cell + "input.bias");
    layer.cell.hidden_weight = find(cell + "hidden.weight");
    layer.cell.hidden_bias = find(cell + "hidden.bias");
    layer.cell.keep_bias = find(cell + "keep_bias");
    layer.cell.write_bias = find(cell + "write_bias");
    layer.cell.unbounded_candidate = config.commit == Commit::kPublished;
    layer.store_mix = find(store_at + "mix");
    layer.store_strength = find(store_at + "strength");
    layer.store_map = find(store_at + (layer.store_strength.defined() ? "value.weight"
                                       : layer.store_mix.defined()    ? "map.weight"
                                                                      : "qkv.weight"));
    layer.store_gate = find(store_at + "gate.weight");
    layer.store_gate_bias = find(store_at + "gate.bias");
    layer.store_decay = find(store_at + "decay");
    layer.store_out = find(store_at + "out.weight");
    layer.slots = layer.initial.defined();
    layer.store = layer.store_out.defined();
    w.layers.push_back(std::move(layer));
  }
  return w;
}

}  // namespace rmkv
