// Buffers, shares and the walk through the layers; see engine_core.h.
#include "core/models/rwkv/engine_core.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/base/clock.h"
#include "core/models/rwkv/engine_rows.h"

namespace rmkv {

using namespace kernels::cpu;

namespace {

constexpr int64_t kPanel = PackedMatrix::kPanelOutputs;
// Rows from which bf16 products with bf16 activations are worth their rounding.
constexpr int64_t kFastRows = 16;
constexpr int64_t kHeadRows = 32;   // rows of logits computed together
constexpr int64_t kLayerSteps = 5;  // parts of a layer between barriers

}  // namespace

EngineCore::EngineCore(const RwkvConfig& config, std::unique_ptr<EngineWeights> weights,
                       int threads)
    : config_(config),
      weights_(std::move(weights)),
      team_(threads),
      row_choice_(ThreadTeam::worth(weights_->step_bytes - weights_->head.size_bytes(),
                                    kLayerSteps * config.layers, team_.size()),
                  team_.size()),
      head_choice_(ThreadTeam::worth(weights_->head.size_bytes(), 1, team_.size()), team_.size()) {
  const int64_t D = config.channels;
  channel_unit_ = config.version == 4 ? kPanel : std::lcm(config.head_size, kPanel);
  const auto buffer = [](int64_t rows, int64_t columns) {
    return RowBuffer(rows, columns, true, true);
  };
  const auto make_shifted = [&](int64_t rows) {
    Shifted shifted{RowBuffer(rows, D), {}, {}};
    const EngineLayer& layer = weights_->layers[0];
    const size_t inputs = std::max(layer.att_shifts.size(), layer.ffn_shifts.size());
    for (size_t i = 0; i < inputs; ++i) shifted.inputs.push_back(buffer(rows, D));
    if (!layer.mix_first.matrix.empty()) shifted.mix_input = buffer(rows, D);
    return shifted;
  };
  for (int t = 0; t < team_.size(); ++t) {
    own_shifted_.push_back(make_shifted(1));
    row_memory_.emplace_back(static_cast<size_t>(padded_columns(D) + 32));
  }
  block_shifted_ = make_shifted(kMostRows);
  residual_ = RowBuffer(kMostRows, D);
  branch_ = RowBuffer(kMostRows, D);
  mixed_ = buffer(kMostRows, D);
  outputs_.resize(kEngineBuffers);
  const auto output = [&](const EngineProduct& product) {
    RowBuffer& to = outputs_[static_cast<size_t>(product.output)];
    if (to.size_bytes() == 0 && !product.matrix.empty()) {
      to = buffer(kMostRows, product.matrix.outputs());
    }
  };
  const auto owned = [&](RowBuffer& to, const PackedMatrix& matrix) {
    if (to.size_bytes() == 0 && !matrix.empty()) to = RowBuffer(kMostRows, D);
  };
  for (const EngineLayer& layer : weights_->layers) {
    for (const EngineProduct& product : layer.att_products) output(product);
    for (const EngineProduct& product : layer.ffn_products) output(product);
    output(layer.mix_first);
    owned(decay_, layer.decay_second);
    owned(rate_, layer.rate_second);
    owned(gate_, layer.gate_second);
    owned(value_share_, layer.value_second);
    while (corrections_.size() < layer.mix_second.size()) {
      corrections_.emplace_back(kMostRows, D);
    }
  }
  if (config.version == 7) first_value_ = RowBuffer(kMostRows, D);
  head_rows_ = buffer(kHeadRows, D);
  head_out_ = RowBuffer(kHeadRows, weights_->head.outputs());
  for (int t = 0; t <= team_.size(); ++t) plans_.push_back(t > 0 ? make_plans(t) : Plans());
}

int64_t EngineCore::buffer_bytes() const {
  int64_t bytes = 0;
  const auto add = [&](const RowBuffer& buffer) { bytes += buffer.size_bytes(); };
  const auto add_shifted = [&](const Shifted& shifted) {
    add(shifted.normalised);
    add(shifted.mix_input);
    for (const RowBuffer& input : shifted.inputs) add(input);
  };
  for (const Shifted& own : own_shifted_) add_shifted(own);
  add_shifted(block_shifted_);
  for (const RowBuffer* buffer : {&residual_, &mixed_, &branch_, &first_value_, &decay_, &rate_,
                                  &gate_, &value_share_, &head_rows_, &head_out_}) {
    add(*buffer);
  }
  for (const RowBuffer& buffer : outputs_) add(buffer);
  for (const RowBuffer& buffer : corrections_) add(buffer);
  return bytes;
}

// --- who does what ---

EngineCore::Range EngineCore::share(int64_t units, int thread) const {
  return {units * thread / active_, units * (thread + 1) / active_};
}

EngineCore::Range EngineCore::channel_share(int thread) const {
  const int64_t D = config_.channels;
  const Range units = share((D + channel_unit_ - 1) / channel_unit_, thread);
  return {std::min(D, units.first * channel_unit_), std::min(D, units.last * channel_unit_)};
}

EngineCore::Shares EngineCore::share_products(const std::vector<EngineProduct>& products,
                                              int threads) const {
  double total = 0;
  for (const EngineProduct& product : products) {
    total += static_cast<double>(product.matrix.size_bytes());
  }
  Shares shares(static_cast<size_t>(threads));
  double before = 0;  // bytes of the panels already given away
  for (size_t i = 0; i < products.size(); ++i) {
    const PackedMatrix& matrix = products[i].matrix;
    const double panel = static_cast<double>(matrix.size_bytes()) / matrix.panels();
    for (int64_t p = 0; p < matrix.panels(); ++p, before += panel) {
      const auto thread = static_cast<size_t>((before + panel / 2) / total * threads);
      std::vector<Share>& own = shares[std::min(thread, shares.size() - 1)];
      if (own.empty() || own.back().product != i) own.push_back({i, p, p});
      own.back().last = p + 1;
    }
  }
  return shares;
}

EngineCore::Plans EngineCore::make_plans(int threads) const {
  Plans plans;
  for (const EngineLayer& layer : weights_->layers) {
    LayerPlan& plan = plans.emplace_back();
    plan.att = share_products(layer.att_products, threads);
    plan.ffn = share_products(layer.ffn_products, threads);
    if (!layer.mix_first.matrix.empty()) {
      const int64_t panels = layer.mix_first.matrix.panels();
      for (int t = 0; t < threads; ++t) {
        plan.mix.push_back({{0, panels * t / threads, panels * (t + 1) / threads}});
      }
    }
  }
  return plans;
}

EngineCore::Shifted& EngineCore::shifted(const Block& block, int thread) {
  return private_rows(block) ? own_shifted_[static_cast<size_t>(thread)] : block_shifted_;
}

// --- the steps ---

void EngineCore::advance(const int64_t* tokens, int64_t lanes, int64_t count, int64_t stride,
                         const std::vector<EngineLayerState>& state, float* hidden, bool fast) {
  Block block{tokens, lanes, count, stride, &state, hidden, fast};
  block.fast = fast && block.rows() >= kFastRows;
  const auto job = [&](int thread) { run(block, thread); };
  run_job(private_rows(block) ? &row_choice_ : nullptr, job);
}

template <typename Job>
void EngineCore::run_job(ThreadChoice* choice, const Job& job) {
  active_ = choice ? choice->threads() : team_.size();
  const double started = monotonic_seconds();
  team_.run(active_, job);
  if (choice) choice->note(monotonic_seconds() - started);
}

void EngineCore::run(const Block& block, int thread) {
  embed(block, thread);
  team_.barrier();
  for (size_t layer = 0; layer < weights_->layers.size(); ++layer) {
    time_mix(block, layer, thread);
    channel_mix(block, layer, thread);
  }
  const int64_t D = config_.channels;
  const Range rows = share(block.rows(), thread);
  std::vector<float>& memory = row_memory_[static_cast<size_t>(thread)];
  for (int64_t row = rows.first; row < rows.last; ++row) {
    engine::norm_row(residual_.view().row(row), weights_->output_norm, D, memory.data());
    float* to = block.hidden + (block.lane(row) * block.stride + block.token(row)) * D;
    std::memcpy(to, memory.data(), static_cast<size_t>(D) * sizeof(float));
  }
}

void EngineCore::logits(const float* hidden, int64_t rows, float* logits) {
  const int64_t D = config_.channels, V = config_.vocabulary;
  const PackedMatrix& head = weights_->head;
  const RowForm form = head.row_form(false);
  const Rows &x = head_rows_.view(), &y = head_out_.view();
  for (int64_t first = 0; first < rows; first += kHeadRows) {
    const int64_t count = std::min(kHeadRows, rows - first);
    for (int64_t row = 0; row < count; ++row) {
      std::memcpy(x.row(row), hidden + (first + row) * D, static_cast<size_t>(D) * sizeof(float));
      if (form != RowForm::kFloat) encode_row(form, x, row, 0, D);
    }
    const auto job = [&](int thread) {
      const Range panels = share(head.panels(), thread);
      head.multiply(x, count, form, y.values, y.stride, panels.first, panels.last);
      const int64_t column = panels.first * kPanel;
      const int64_t columns = std::min(V, panels.last * kPanel) - column;
      for (int64_t row = 0; row < count && columns > 0; ++row) {
        if (!weights_->head_bias.empty()) {
          engine::add_columns(y.row(row), weights_->head_bias.data(), nullptr, {}, column, columns);
        }
        std::memcpy(logits + (first + row) * V + column, y.row(row) + column,
                    static_cast<size_t>(columns) * sizeof(float));
      }
    };
    run_job(rows == 1 ? &head_choice_ : nullptr, job);
  }
}

}  // namespace rmkv
