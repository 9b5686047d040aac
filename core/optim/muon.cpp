// Batches of matrices of one shape, and their update as LibTorch operations.
#include "core/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "core/base/option_reader.h"
#include "core/kernels/linear.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

const char* const kMomentum = "momentum.";

// Elements of the matrices that are made orthogonal at once: what they need beside is a few times
// as much.
constexpr int64_t kBatchElements = int64_t{1} << 24;

// Jordan et al.: the quintic that lifts small singular values fastest and keeps all near 1.
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;

std::vector<bool> muon_matrices(const ParameterStore& parameters, int64_t vocabulary) {
  std::vector<bool> result;
  for (const Parameter& parameter : parameters.all()) {
    result.push_back(is_muon_matrix(parameter.group, parameter.value.sizes(), vocabulary));
  }
  return result;
}

}  // namespace

MuonOptions MuonOptions::from_table(const Table& table, const MuonOptions& base) {
  MuonOptions options = base;
  Table own, rest = table;
  for (const char* key : {"momentum", "iterations"}) {
    if (auto node = rest.extract(key); !node.empty()) own.insert(std::move(node));
  }
  OptionReader reader(own, "muon");
  reader.read("momentum", options.momentum, 0.0, 0.9999);
  reader.read("iterations", options.iterations, 1, 20);
  options.adamw = AdamwOptions::from_table(rest, base.adamw);
  return options;
}

Table MuonOptions::to_table() const {
  Table table = adamw.to_table();
  table["momentum"] = momentum;
  table["iterations"] = iterations;
  return table;
}

bool is_muon_matrix(ParameterGroup group, at::IntArrayRef shape, int64_t vocabulary) {
  return group == ParameterGroup::kMatrix && shape.size() == 2 && shape[0] != vocabulary;
}

Tensor orthogonal_factor(const Tensor& x, int64_t iterations) {
  const bool tall = x.size(-2) > x.size(-1);
  Tensor y = tall ? x.transpose(-2, -1) : x;
  y = y / (at::linalg_vector_norm(y, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true) + 1e-7);
  if (y.is_cuda()) y = y.to(at::kBFloat16);
  for (int64_t i = 0; i < iterations; ++i) {
    const Tensor square = at::matmul(y, y.transpose(-2, -1));
    y = kA * y + at::matmul(kB * square + kC * at::matmul(square, square), y);
  }
  return (tall ? y.transpose(-2, -1) : y).to(x.scalar_type());
}

Muon::Muon(ParameterStore& parameters, int64_t vocabulary, const MuonOptions& options)
    : parameters_(parameters),
      options_(options),
      is_matrix_(muon_matrices(parameters, vocabulary)),
      adamw_(parameters, options.adamw, is_matrix_),
      momentum_(parameters.size()) {
  std::map<std::vector<int64_t>, std::vector<size_t>> by_shape;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!is_matrix_[i]) continue;
    momentum_[i] = at::zeros_like(parameters_[i], momentum_dtype());
    by_shape[parameters_[i].sizes().vec()].push_back(i);
  }
  for (const auto& [shape, matrices] : by_shape) {
    const auto most = static_cast<size_t>(
        std::max<int64_t>(1, kBatchElements / parameters_[matrices[0]].numel()));
    for (size_t i = 0; i < matrices.size(); i += most) {
      batches_.emplace_back(
          matrices.begin() + static_cast<std::ptrdiff_t>(i),
          matrices.begin() + static_cast<std::ptrdiff_t>(std::min(i + most, matrices.size())));
    }
  }
}

at::ScalarType Muon::momentum_dtype() const {
  return options_.adamw.state == kernels::MomentState::kFull ? parameters_.dtype() : at::kBFloat16;
}

void Muon::step(const StepInputs& inputs) {
  {
    at::NoGradGuard no_grad;
    for (const std::vector<size_t>& batch : batches_) update(batch, inputs);
  }
  adamw_.step(inputs);  // and marks all parameters as changed
}

void Muon::update(const std::vector<size_t>& matrices, const StepInputs& inputs) {
  const AdamwGroupOptions& group = options_.adamw.groups[static_cast<int>(ParameterGroup::kMatrix)];
  const double mu = options_.momentum, lr = inputs.lr * group.lr_scale;
  std::vector<size_t> trained;
  std::vector<Tensor> directions;
  for (const size_t i : matrices) {
    if (parameters_.is_frozen(i)) continue;
    Tensor gradient = parameters_[i].grad();
    if (inputs.divisor.defined()) gradient = gradient / inputs.divisor;
    Tensor momentum = momentum_[i].to(gradient.scalar_type());  // itself where dtypes agree
    if (inputs.skip.defined()) {
      gradient = at::where(inputs.skip > 0.5, 0.0, gradient);  // it may be NaN
      momentum.mul_(inputs.skip * (1 - mu) + mu);
    } else {
      momentum.mul_(mu);
    }
    momentum.add_(gradient);
    if (!momentum.is_same(momentum_[i])) momentum_[i].copy_(momentum);
    directions.push_back(gradient.add(momentum, mu));
    trained.push_back(i);
  }
  if (trained.empty()) return;
  const Tensor factors = orthogonal_factor(at::stack(directions), options_.iterations);
  const double scale =
      0.2 * std::sqrt(static_cast<double>(std::max(factors.size(-2), factors.size(-1))));
  for (size_t k = 0; k < trained.size(); ++k) {
    // Without the version counter, which all parameters of a buffer share: a rise would put the
    // working copies of the others out of date.
    const Tensor value = parameters_[trained[k]].variable_data();
    Tensor change = factors[static_cast<int64_t>(k)] * (-lr * scale);
    change.add_(value, -lr * group.weight_decay);
    if (inputs.skip.defined()) change.mul_(1 - inputs.skip);
    value.add_(change);
    const Tensor copy = kernels::working_copy(parameters_[trained[k]]);
    if (copy.defined()) copy.copy_(value);
  }
}

std::map<std::string, Tensor> Muon::state() const {
  std::map<std::string, Tensor> state = adamw_.state();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (is_matrix_[i]) state[kMomentum + parameters_.all()[i].name] = momentum_[i];
  }
  return state;
}

void Muon::load_state(const std::map<std::string, Tensor>& state) {
  std::map<std::string, Tensor> rest = state;
  std::vector<Tensor> saved(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!is_matrix_[i]) continue;
    const std::string name = kMomentum + parameters_.all()[i].name;
    auto node = rest.extract(name);
    if (node.empty())
      fail("muon.load_state", "no '" + name + "'",
           "momentum of every matrix (another optimizer's state?)");
    saved[i] = node.mapped();
    check_shape(saved[i], "muon.load_state '" + name + "'", parameters_[i].sizes().vec(), "");
  }
  adamw_.load_state(rest);
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < saved.size(); ++i) {
    if (is_matrix_[i]) momentum_[i].copy_(saved[i]);
  }
}

void Muon::set_options(const Table& options) {
  options_ = MuonOptions::from_table(options, options_);
  adamw_.set_options(options_.adamw.to_table());
  for (Tensor& momentum : momentum_) {
    if (momentum.defined()) momentum = momentum.to(momentum_dtype());
  }
}

}  // namespace rmkv
