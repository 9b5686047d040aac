// The steps of a layer; declared in engine_core.h.
#include <algorithm>
#include <cstring>

#include "core/models/rwkv/engine_core.h"
#include "core/models/rwkv/engine_heads.h"
#include "core/models/rwkv/engine_rows.h"

namespace rmkv {

using namespace kernels::cpu;

namespace {

constexpr int64_t kPanel = PackedMatrix::kPanelOutputs;

}  // namespace

void EngineCore::embed(const Block& block, int thread) {
  const int64_t D = config_.channels;
  const WeightTensor& embedding = weights_->embedding;
  const uint64_t row_bytes = bytes_of_row(embedding.type, D);
  const Range rows = share(block.rows(), thread);
  std::vector<float>& memory = row_memory_[static_cast<size_t>(thread)];
  for (int64_t row = rows.first; row < rows.last; ++row) {
    const int64_t token = block.tokens[block.lane(row) * block.stride + block.token(row)];
    float* to = residual_.view().row(row);
    const bool normed = !weights_->input_norm.weight.empty();
    dequantize_rows(embedding.type, embedding.data + static_cast<uint64_t>(token) * row_bytes,
                    normed ? memory.data() : to, 1, D);
    if (normed) engine::norm_row(memory.data(), weights_->input_norm, D, to);
  }
}

const float* EngineCore::previous_row(const Block& block, const Rows& rows, const float* state,
                                      int64_t row) const {
  return block.token(row) == 0 ? state + block.lane(row) * config_.channels : rows.row(row - 1);
}

void EngineCore::encode(const Block& block, const PackedMatrix& matrix, const Rows& rows,
                        Range columns) {
  const RowForm form = matrix.row_form(block.fast);
  if (form == RowForm::kFloat) return;
  for (int64_t row = 0; row < block.rows(); ++row) {
    encode_row(form, rows, row, columns.first, columns.last);
  }
}

void EngineCore::shift_rows(const Block& block, const EngineNorm& norm,
                            const std::vector<EngineVector>& shares,
                            const std::vector<EngineProduct>& products, const float* state,
                            int thread) {
  const int64_t D = config_.channels;
  Shifted& to = shifted(block, thread);
  const Rows& normalised = to.normalised.view();
  const Range rows = private_rows(block) ? Range{0, 1} : share(block.rows(), thread);
  std::vector<float>& memory = row_memory_[static_cast<size_t>(thread)];
  for (int64_t row = rows.first; row < rows.last; ++row) {
    engine::norm_row(residual_.view().row(row), norm, D, normalised.row(row));
    const float* previous = previous_row(block, normalised, state, row);
    if (row == rows.first && block.token(row) > 0) {
      // The row before is another thread's.
      engine::norm_row(residual_.view().row(row - 1), norm, D, memory.data());
      previous = memory.data();
    }
    for (size_t i = 0; i < shares.size(); ++i) {
      engine::shift_row(normalised.row(row), previous, shares[i], D, to.inputs[i].view().row(row));
    }
    RowForm done[8] = {};
    for (const EngineProduct& product : products) {
      const RowForm form = product.matrix.row_form(block.fast);
      RowForm& last = done[product.input];
      if (form != RowForm::kFloat && form != last) {
        encode_row(form, to.inputs[static_cast<size_t>(product.input)].view(), row, 0, D);
        last = form;
      }
    }
  }
  if (!private_rows(block)) team_.barrier();
}

void EngineCore::dependent_shift(const Block& block, const EngineLayer& layer,
                                 const LayerPlan& plan, const float* state, int thread) {
  const int64_t D = config_.channels;
  const EngineProduct& first = layer.mix_first;
  Shifted& to = shifted(block, thread);
  // The shared part of the shift.
  shift_rows(block, layer.att_norm, {}, {}, state, thread);
  const Rows& normalised = to.normalised.view();
  const Range rows = private_rows(block) ? Range{0, 1} : share(block.rows(), thread);
  for (int64_t row = rows.first; row < rows.last; ++row) {
    engine::shift_row(normalised.row(row), previous_row(block, normalised, state, row),
                      layer.mix_shift, D, to.mix_input.view().row(row));
    const RowForm form = first.matrix.row_form(block.fast);
    if (form != RowForm::kFloat) encode_row(form, to.mix_input.view(), row, 0, D);
  }
  if (!private_rows(block)) team_.barrier();
  const Rows& low = outputs_[kMixFirst].view();
  for (const Share& part : plan.mix[static_cast<size_t>(thread)]) {
    first.matrix.multiply(to.mix_input.view(), block.rows(), first.matrix.row_form(block.fast),
                          low.values, low.stride, part.first, part.last);
    const int64_t column = part.first * kPanel, count = (part.last - part.first) * kPanel;
    for (int64_t row = 0; row < block.rows(); ++row) {
      engine::activate(first.activation, low.row(row) + column, count);
    }
  }
  team_.barrier();
  // From here on everybody needs all rows, also of a lone row: the block's buffers take them.
  const Range channels = channel_share(thread);
  const int64_t count = channels.last - channels.first, rank = config_.mix_rank;
  if (count == 0) return;
  for (size_t j = 0; j < layer.mix_second.size(); ++j) {
    const PackedMatrix& second = layer.mix_second[j];
    Rows part = low;
    part.values += static_cast<int64_t>(j) * rank;
    const Rows& correction = corrections_[j].view();
    second.multiply(part, block.rows(), RowForm::kFloat, correction.values, correction.stride,
                    channels.first / kPanel, (channels.last + kPanel - 1) / kPanel);
    const Rows& input = block_shifted_.inputs[j].view();
    for (int64_t row = 0; row < block.rows(); ++row) {
      engine::shift_columns(normalised.row(row), previous_row(block, normalised, state, row),
                            layer.att_shifts[j], correction.row(row), channels.first, count,
                            input.row(row));
    }
    for (const EngineProduct& product : layer.att_products) {
      if (product.input == static_cast<int>(j)) encode(block, product.matrix, input, channels);
    }
  }
}

void EngineCore::multiply(const Block& block, const std::vector<EngineProduct>& products,
                          const Shares& shares, const std::vector<RowBuffer>& inputs, int thread) {
  for (const Share& part : shares[static_cast<size_t>(thread)]) {
    const EngineProduct& product = products[part.product];
    const Rows& x = inputs[static_cast<size_t>(product.input)].view();
    const Rows& y = outputs_[static_cast<size_t>(product.output)].view();
    product.matrix.multiply(x, block.rows(), product.matrix.row_form(block.fast), y.values,
                            y.stride, part.first, part.last);
    if (product.activation == Activation::kNone) continue;
    const int64_t column = part.first * kPanel, count = (part.last - part.first) * kPanel;
    for (int64_t row = 0; row < block.rows(); ++row) {
      engine::activate(product.activation, y.row(row) + column, count);
    }
  }
}

void EngineCore::second_product(const Block& block, const PackedMatrix& matrix, EngineBuffer input,
                                const RowBuffer& to, Range columns) {
  if (matrix.empty()) return;
  const Rows& y = to.view();
  // Low-rank maps are small: their inputs stay in fp32.
  matrix.multiply(outputs_[input].view(), block.rows(), RowForm::kFloat, y.values, y.stride,
                  columns.first / kPanel, (columns.last + kPanel - 1) / kPanel);
}

void EngineCore::heads(const Block& block, size_t index, int thread) {
  const EngineLayer& layer = weights_->layers[index];
  const Range channels = channel_share(thread);
  const int64_t D = config_.channels, N = config_.head_size;
  const int64_t count = channels.last - channels.first;
  if (count == 0) return;
  const EngineLayerState& state = (*block.state)[index];
  const auto row_of = [&](const RowBuffer& buffer, int64_t row) { return buffer.view().row(row); };
  const Rows& out = mixed_.view();
  if (config_.version == 4) {
    for (int64_t row = 0; row < block.rows(); ++row) {
      float* lane = state.att + block.lane(row) * 3 * D;
      engine::wkv4_columns(row_of(outputs_[kReceptance], row), row_of(outputs_[kKey], row),
                           row_of(outputs_[kValue], row), layer.decay, layer.bonus,
                           {lane, lane + D, lane + 2 * D}, channels.first, count, out.row(row));
    }
    encode(block, layer.output, out, channels);
    return;
  }
  second_product(block, layer.decay_second, kDecayFirst, decay_, channels);
  second_product(block, layer.rate_second, kRateFirst, rate_, channels);
  second_product(block, layer.gate_second, kGateFirst, gate_, channels);
  second_product(block, layer.value_second, kValueFirst, value_share_, channels);
  const bool seven = config_.version == 7;
  if (seven && index == 0) {
    for (int64_t row = 0; row < block.rows(); ++row) {
      std::memcpy(row_of(first_value_, row) + channels.first,
                  row_of(outputs_[kValue], row) + channels.first,
                  static_cast<size_t>(count) * sizeof(float));
    }
  }
  const RowBuffer& gate = seven ? gate_ : outputs_[kGate];
  const bool gated = gate.size_bytes() > 0, decays = !layer.decay_second.empty();
  const auto epsilon = static_cast<float>(config_.group_norm_epsilon);
  // A head's matrix stays in the first cache while its tokens go by.
  for (int64_t lane = 0; lane < block.lanes; ++lane) {
    for (int64_t head = channels.first / N; head * N < channels.last; ++head) {
      const int64_t at = head * N;
      float* matrix = state.att + lane * D * N + head * N * N;
      for (int64_t token = 0; token < block.count; ++token) {
        const int64_t row = lane * block.count + token;
        engine::HeadInputs in{
            row_of(outputs_[kReceptance], row) + at,
            row_of(outputs_[kKey], row) + at,
            row_of(outputs_[kValue], row) + at,
            gated ? row_of(gate, row) + at : nullptr,
            decays ? row_of(decay_, row) + at : nullptr,
            seven ? row_of(rate_, row) + at : nullptr,
            layer.value_second.empty() ? nullptr : row_of(value_share_, row) + at,
            seven ? row_of(first_value_, row) + at : nullptr,
        };
        const auto step = seven ? engine::wkv7_head : engine::wkv6_head;
        step(layer, in, head, N, epsilon, matrix, out.row(row) + at);
      }
    }
  }
  encode(block, layer.output, out, channels);
}

// The next block's first rows see this block's last ones.  Called when every thread has read the
// old ones.
void EngineCore::keep_shift(const Block& block, float* state, int thread) {
  if (thread != 0) return;
  const int64_t D = config_.channels;
  const Rows& normalised = shifted(block, 0).normalised.view();
  for (int64_t lane = 0; lane < block.lanes; ++lane) {
    std::memcpy(state + lane * D, normalised.row((lane + 1) * block.count - 1),
                static_cast<size_t>(D) * sizeof(float));
  }
}

void EngineCore::add_product(const Block& block, const PackedMatrix& matrix, const Rows& input,
                             const EngineVector& bias, const RowBuffer* scale, int thread) {
  const Range panels = share(matrix.panels(), thread);
  const Rows& y = branch_.view();
  matrix.multiply(input, block.rows(), matrix.row_form(block.fast), y.values, y.stride,
                  panels.first, panels.last);
  for (int64_t row = 0; row < block.rows(); ++row) {
    engine::add_columns(residual_.view().row(row), y.row(row),
                        scale ? scale->view().row(row) : nullptr, bias, panels.first * kPanel,
                        (panels.last - panels.first) * kPanel);
  }
}

void EngineCore::time_mix(const Block& block, size_t index, int thread) {
  const EngineLayer& layer = weights_->layers[index];
  const LayerPlan& plan = this->plan(index);
  float* state = (*block.state)[index].att_shift;
  if (layer.mix_first.matrix.empty()) {
    shift_rows(block, layer.att_norm, layer.att_shifts, layer.att_products, state, thread);
    multiply(block, layer.att_products, plan.att, shifted(block, thread).inputs, thread);
  } else {
    dependent_shift(block, layer, plan, state, thread);
    team_.barrier();
    multiply(block, layer.att_products, plan.att, block_shifted_.inputs, thread);
  }
  team_.barrier();
  heads(block, index, thread);
  keep_shift(block, state, thread);
  team_.barrier();
  add_product(block, layer.output, mixed_.view(), layer.output_bias, nullptr, thread);
  team_.barrier();
}

void EngineCore::channel_mix(const Block& block, size_t index, int thread) {
  const EngineLayer& layer = weights_->layers[index];
  const LayerPlan& plan = this->plan(index);
  float* state = (*block.state)[index].ffn_shift;
  shift_rows(block, layer.ffn_norm, layer.ffn_shifts, layer.ffn_products, state, thread);
  multiply(block, layer.ffn_products, plan.ffn, shifted(block, thread).inputs, thread);
  const Rows& hidden = outputs_[kHidden].view();
  for (const Share& part : plan.ffn[static_cast<size_t>(thread)]) {
    if (layer.ffn_products[part.product].output != kHidden) continue;
    encode(block, layer.ffn_value, hidden,
           {part.first * kPanel, std::min(config_.ffn_hidden, part.last * kPanel)});
  }
  team_.barrier();
  keep_shift(block, state, thread);
  const RowBuffer* scale = config_.version < 7 ? &outputs_[kFfnReceptance] : nullptr;
  add_product(block, layer.ffn_value, hidden, {}, scale, thread);
  team_.barrier();
}

}  // namespace rmkv
