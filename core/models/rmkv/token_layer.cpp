// The steps of a layer for one token; declared in token_step.h.
#include "core/models/rmkv/token_layer.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/cpu/matrix_vector.h"
#include "core/models/rmkv/token_rows.h"
#include "core/tensor/torch.h"

namespace rmkv {

using kernels::cpu::matrix_vector;

void TokenStep::project(const Layer& layer, int64_t token, int thread) {
  const int64_t C = config_.channels;
  float* normed = scratch_[static_cast<size_t>(thread)].normed.data();
  token::rms_norm(residual_.data(), layer.norm, C, normed);
  const float* input = shifted(layer.shift, config_.attention_shift, layer.shifted, thread);
  const Range rows = share(3 * C, thread, kTokenUnit);
  matrix_vector(layer.qkv, C, input, C, rows.first, rows.last, qkv_.data());
  if (layer.qkv_bias) {
    for (int64_t o = rows.first; o < rows.last; ++o) {
      qkv_[static_cast<size_t>(o)] += layer.qkv_bias[o];
    }
  }
  if (!layer.store_out) return;
  // [addresses and values], or [queries, keys, values] without a convolution.
  const int64_t made = layer.strength ? C : 0;  // codes, not products
  float* to = store_rows_.data();
  if (layer.store_map) {
    const Range maps = share(layer.store_mix ? 2 * C - made : 3 * C, thread, kTokenUnit);
    matrix_vector(layer.store_map, C, normed, C, maps.first, maps.last, to + made);
  }
  const Range gates = share(config_.store_head_count(), thread, kTokenUnit);
  matrix_vector(layer.store_gate, C, normed, C, gates.first, gates.last, store_gates_.data());
  for (int64_t h = gates.first; h < gates.last; ++h) {
    float& gate = store_gates_[static_cast<size_t>(h)];
    gate = 1.0f / (1.0f + std::exp(-(gate + layer.store_gate_bias[h])));
  }
  if (made > 0) {
    const float* code = weights_.codes.const_data_ptr<float>() + token * C;
    const Range channels = share(C, thread, kTokenUnit);
    for (int64_t c = channels.first; c < channels.last; ++c) {
      to[c] = code[c] * layer.strength[token];
      if (!layer.store_map) to[C + c] = code[c];
    }
  }
}

// The normalised row with the rows before it mixed in, as kernels::short_convolution.
const float* TokenStep::shifted(const float* weights, int64_t width, const float* recent,
                                int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  if (!weights) return scratch.normed.data();
  const int64_t C = config_.channels;
  float* to = scratch.shifted.data();
  std::copy_n(scratch.normed.data(), C, to);
  for (int64_t j = 0; j < width; ++j) {
    const float *weight = weights + j * C, *row = recent + (width - 1 - j) * C;
    for (int64_t c = 0; c < C; ++c) to[c] += weight[c] * row[c];
  }
  return to;
}

// The newest normalised row becomes the last of `recent`; called when every thread has read it.
void TokenStep::keep_shift(float* recent, int64_t width, int thread) {
  if (!recent) return;
  const int64_t C = config_.channels;
  const float* newest = scratch_[static_cast<size_t>(thread)].normed.data();
  const Range channels = share(C, thread, kTokenUnit);
  const int64_t count = channels.last - channels.first;
  for (int64_t j = 0; j < width; ++j) {
    const float* from = (j + 1 < width ? recent + (j + 1) * C : newest) + channels.first;
    std::copy_n(from, count, recent + j * C + channels.first);
  }
}

void TokenStep::attention(const Layer& layer, int thread) {
  const int64_t C = config_.channels, D = config_.head_dim(), row = layer.before + position_;
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  keep_shift(layer.shifted, config_.attention_shift, thread);
  const Range heads = share(config_.heads, thread, 1);
  for (int64_t h = heads.first; h < heads.last; ++h) {
    float *query = qkv_.data() + h * D, *key = query + C, *value = key + C;
    if (layer.query_norm) {
      token::rms_norm(query, layer.query_norm, D, query);
      token::rms_norm(key, layer.key_norm, D, key);
    }
    if (layer.keys) std::copy_n(key, D, layer.keys + position_ % config_.bridge * C + h * D);
    if (!cosines_.empty()) {
      const int64_t at = position_ * (D / 2);
      token::rotate(query, cosines_.data() + at, sines_.data() + at, D);
      token::rotate(key, cosines_.data() + at, sines_.data() + at, D);
    }
    std::copy_n(key, D, layer.cache + row * 2 * C + h * D);
    std::copy_n(value, D, layer.cache + row * 2 * C + C + h * D);
    token::HeadRows rows{layer.cache + h * D, layer.cache + C + h * D, 2 * C, row + 1, visible_};
    float* to = mixed_.data() + h * D;
    token::attend(query, rows, D, scratch.scores.data(), to);
    if (!layer.read_gate) continue;
    rows.hidden_first = config_.bridge;
    rows.hidden_last = layer.before;
    float* without = scratch.blind.data();
    token::attend(query, rows, D, scratch.scores.data(), without);
    for (int64_t d = 0; d < D; ++d) to[d] = without[d] + layer.read_gate[h] * (to[d] - without[d]);
  }
}

// Channels [first, first + count) of queries, keys or values (part 0, 1, 2) of the store.
void TokenStep::mix(const Layer& layer, const float* row, int64_t first, int64_t count, int part,
                    float* to) const {
  const int64_t C = config_.channels, width = config_.store_convolution;
  if (!layer.store_mix) {
    std::copy_n(row + part * C + first, count, to);
    return;
  }
  const int64_t at = (part == 2 ? C : 0) + first;
  // Row j places back: the newest is `row`, the older ones end with the newest in `recent`.
  const auto back = [&](int64_t j) {
    return (j == 0 ? row : layer.recent + (width - 1 - j) * 2 * C) + at;
  };
  if (layer.strength && part == 2) {
    std::copy_n(back(0), count, to);
    return;
  }
  std::fill_n(to, count, 0.0f);
  for (int64_t j = 0; j < width; ++j) {
    // With codes one set of weights serves queries, from the newest token on, and keys, from the
    // one before.
    const int64_t weight_row = layer.strength ? j - part : j;
    if (weight_row < 0 || (layer.strength && weight_row >= width - 1)) continue;
    const float* weight =
        layer.store_mix + (layer.strength ? weight_row * C : j * 3 * C + part * C) + first;
    const float* from = back(j);
    for (int64_t c = 0; c < count; ++c) to[c] += weight[c] * from[c];
  }
}

void TokenStep::store(const Layer& layer, int thread) {
  const int64_t C = config_.channels, D = config_.store_head_dim(), K = config_.store_key_dim();
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const float* row = store_rows_.data();
  const Range heads = share(config_.store_head_count(), thread, 1);
  for (int64_t h = heads.first; h < heads.last; ++h) {
    float *plain_row = scratch.update.data(), *query = scratch.query.data(),
          *key = scratch.key.data(), *value = scratch.value.data();
    mix(layer, row, h * D, D, 0, plain_row);
    token::address(plain_row, D, config_.store_features, query);
    mix(layer, row, h * D, D, 1, plain_row);
    token::address(plain_row, D, config_.store_features, key);
    mix(layer, row, h * D, D, 2, value);
    float* open = layer.open_store + h * K * D;
    const float* read =
        config_.store_read == StoreRead::kToken ? open : layer.committed + h * K * D;
    token::store_read(read, query, K, D, store_reads_.data() + h * D);
    token::store_write(open, key, value, store_gates_[static_cast<size_t>(h)], K, D,
                       scratch.update.data());
    if (!layer.recent) continue;
    for (const int64_t at : {h * D, C + h * D}) {
      const int64_t past = config_.store_convolution - 1;
      for (int64_t j = 0; j + 1 < past; ++j) {
        std::copy_n(layer.recent + (j + 1) * 2 * C + at, D, layer.recent + j * 2 * C + at);
      }
      std::copy_n(row + at, D, layer.recent + (past - 1) * 2 * C + at);
    }
  }
}

void TokenStep::pool(const Layer& layer, int thread) {
  const int64_t C = config_.channels;
  const float* row = mixed_.data();
  if (layer.sum) {
    const Range channels = share(C, thread, kTokenUnit);
    for (int64_t c = channels.first; c < channels.last; ++c) layer.sum[c] += row[c];
    return;
  }
  const Range slots = share(config_.slots, thread, 1);
  float* scores = scratch_[static_cast<size_t>(thread)].scores.data();
  matrix_vector(layer.queries.data(), C, row, C, slots.first, slots.last, scores);
  for (int64_t m = slots.first; m < slots.last; ++m) {
    token::pool(scores[m], row, C, layer.largest[m], layer.denominator[m], layer.numerator + m * C);
  }
}

void TokenStep::feed_forward(const Layer& layer, int thread) {
  const int64_t C = config_.channels, F = config_.hidden();
  token::rms_norm(residual_.data(), layer.ffn_norm, C,
                  scratch_[static_cast<size_t>(thread)].normed.data());
  const float* input = shifted(layer.ffn_shift, config_.ffn_shift, layer.ffn_shifted, thread);
  float *gate = wide_.data(), *up = gate + F;
  const Range hidden = share(F, thread, kTokenUnit);
  const int64_t count = hidden.last - hidden.first;
  matrix_vector(layer.ffn_in, C, input, C, hidden.first, hidden.last, gate);
  if (config_.ffn == FeedForward::kSwiGlu) {
    matrix_vector(layer.ffn_in + F * C, C, input, C, hidden.first, hidden.last, up);
    token::swiglu(gate + hidden.first, up + hidden.first, count);
  } else {
    token::squared_relu(gate + hidden.first, count);
  }
  team_->barrier();
  keep_shift(layer.ffn_shifted, config_.ffn_shift, thread);
  const Range rows = share(C, thread, kTokenUnit);
  matrix_vector(layer.ffn_out, F, gate, F, rows.first, rows.last, residual_.data(), true);
}

}  // namespace rmkv
