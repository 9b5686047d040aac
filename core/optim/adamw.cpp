// Which parameters are updated with which rates, and their moments by name.
#include "core/optim/adamw.h"

#include "core/base/option_reader.h"
#include "core/kernels/linear.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

using kernels::Moments;
using kernels::MomentState;

const std::vector<std::string> kStateNames = {"fp32", "bf16", "8bit"};

// bitsandbytes' limit: below it the scales and the rounding are not worth the bytes.
constexpr int64_t kSmallestNarrow = 4096;

// Saved names of a moment and of its scales.
const char* const kFirst = "first_moment.";
const char* const kSecond = "second_moment.";
const char* const kFirstScale = "first_scale.";
const char* const kSecondScale = "second_scale.";

using TensorMap = std::map<std::string, Tensor>;

const Tensor& moment_in(const TensorMap& state, const std::string& name,
                        const std::vector<int64_t>& shape) {
  const auto place = state.find(name);
  if (place == state.end()) {
    fail("adamw.load_state", "no '" + name + "'", "moments of every parameter");
  }
  check_shape(place->second, "adamw.load_state '" + name + "'", shape, "");
  return place->second;
}

// The saved moments of a parameter, in the form in which they were saved.
Moments saved_moments(const TensorMap& state, const Parameter& parameter) {
  const auto shape = parameter.value.sizes().vec();
  const std::vector<int64_t> blocks = {(parameter.value.numel() + adamw::kBlock - 1) /
                                       adamw::kBlock};
  Moments saved;
  saved.first = moment_in(state, kFirst + parameter.name, shape);
  saved.second = moment_in(state, kSecond + parameter.name, shape);
  if (saved.first.scalar_type() != saved.second.scalar_type()) {
    fail("adamw.load_state '" + parameter.name + "'", tensor_text(saved.second),
         dtype_name(saved.first.scalar_type()) + " as the first moment");
  }
  if (saved.first.scalar_type() == at::kByte) {
    saved.state = MomentState::k8Bit;
    saved.first_scale = moment_in(state, kFirstScale + parameter.name, blocks);
    saved.second_scale = moment_in(state, kSecondScale + parameter.name, blocks);
  } else if (saved.first.scalar_type() == at::kBFloat16) {
    saved.state = MomentState::kBf16;
  } else if (!saved.first.is_floating_point()) {
    fail("adamw.load_state '" + parameter.name + "'", tensor_text(saved.first), "a moment");
  }
  return saved;
}

void copy_moments(const Moments& from, Moments& to) {
  if (from.state != to.state) {
    const auto wide = to.first.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const auto [first, second] = kernels::wide_moments(from, wide);
    kernels::put_moments(first, second, to);
    return;
  }
  to.first.copy_(from.first);
  to.second.copy_(from.second);
  if (to.first_scale.defined()) {
    to.first_scale.copy_(from.first_scale);
    to.second_scale.copy_(from.second_scale);
  }
}

}  // namespace

MomentState parse_moment_state(const std::string& name, const std::string& where) {
  for (size_t i = 0; i < kStateNames.size(); ++i) {
    if (kStateNames[i] == name) return static_cast<MomentState>(i);
  }
  fail_because(where, unknown_name_text("state", name, kStateNames));
}

std::string moment_state_name(MomentState state) {
  return kStateNames[static_cast<size_t>(state)];
}

MomentState moment_state_of(ParameterGroup group, int64_t elements, MomentState wanted) {
  const bool large = group == ParameterGroup::kMatrix || group == ParameterGroup::kEmbedding;
  return large && elements >= kSmallestNarrow ? wanted : MomentState::kFull;
}

AdamwOptions AdamwOptions::from_table(const Table& table, const AdamwOptions& base) {
  AdamwOptions options = base;
  OptionReader reader(table, "adamw");
  std::vector<double> betas = {base.beta1, base.beta2};
  reader.read("betas", betas);
  if (betas.size() != 2) fail("adamw.betas", std::to_string(betas.size()) + " numbers", "two");
  options.beta1 = betas[0];
  options.beta2 = betas[1];
  for (double beta : betas) {
    if (!(beta >= 0.0 && beta < 1.0)) fail("adamw.betas", Value(beta).to_text(), "0 <= beta < 1");
  }
  reader.read("eps", options.eps, 1e-30, 1.0);
  std::string state = moment_state_name(base.state);
  reader.read("state", state, kStateNames);
  options.state = parse_moment_state(state, "adamw.state");
  reader.read("weight_decay", options.groups[0].weight_decay, 0.0, 100.0);
  if (const Value* groups = reader.take("groups")) {
    Table rest = groups->as_table();
    for (int i = 0; i < kParameterGroupCount; ++i) {
      std::string name = group_name(static_cast<ParameterGroup>(i));
      auto place = rest.find(name);
      if (place == rest.end()) continue;
      AdamwGroupOptions& group = options.groups[i];
      OptionReader fields(place->second.as_table(), "adamw.groups." + name);
      fields.read("lr_scale", group.lr_scale, 0.0, 1e6);
      fields.read("weight_decay", group.weight_decay, 0.0, 100.0);
      fields.read("frozen", group.frozen);
      fields.finish();
      rest.erase(place);
    }
    if (!rest.empty()) {
      fail_because("adamw.groups", unknown_name_text("group", rest.begin()->first,
                                                     {"matrix", "vector", "gate", "embedding"}));
    }
  }
  reader.finish();
  return options;
}

Table AdamwOptions::to_table() const {
  Table group_tables;
  for (int i = 0; i < kParameterGroupCount; ++i) {
    group_tables[group_name(static_cast<ParameterGroup>(i))] =
        Table{{"lr_scale", groups[i].lr_scale},
              {"weight_decay", groups[i].weight_decay},
              {"frozen", groups[i].frozen}};
  }
  return {{"betas", List{beta1, beta2}},
          {"eps", eps},
          {"state", moment_state_name(state)},
          {"groups", group_tables}};
}

Adamw::Adamw(ParameterStore& parameters, const AdamwOptions& options, std::vector<bool> left_out)
    : parameters_(parameters),
      options_(options),
      left_out_(std::move(left_out)),
      moments_(parameters.size()) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!is_left_out(i)) moments_[i] = kernels::zero_moments(parameters_[i], state_of(i));
  }
  updates_ = at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(parameters_.device()));
  skips_ = at::zeros_like(updates_);
  apply_frozen();
}

MomentState Adamw::state_of(size_t index) const {
  const Parameter& parameter = parameters_.all()[index];
  return moment_state_of(parameter.group, parameter.value.numel(), options_.state);
}

void Adamw::apply_frozen() {
  for (int i = 0; i < kParameterGroupCount; ++i) {
    parameters_.set_group_frozen(static_cast<ParameterGroup>(i), options_.groups[i].frozen);
  }
}

void Adamw::set_options(const Table& options) {
  options_ = AdamwOptions::from_table(options, options_);
  apply_frozen();
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (is_left_out(i) || moments_[i].state == state_of(i)) continue;
    Moments converted = kernels::zero_moments(parameters_[i], state_of(i));
    copy_moments(moments_[i], converted);
    moments_[i] = converted;
  }
}

void Adamw::step(const StepInputs& inputs) {
  at::NoGradGuard no_grad;
  kernels::AdamwControl control{updates_, {}, {}};
  if (inputs.divisor.defined()) control.divisor = inputs.divisor.reshape({1});
  if (inputs.skip.defined()) control.skip = inputs.skip.reshape({1});
  std::vector<kernels::AdamwTarget> targets[kParameterGroupCount];
  std::vector<size_t> copied;  // parameters with a working copy, which stays right
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i];
    const Tensor copy = kernels::working_copy(value);
    if (copy.defined()) copied.push_back(i);
    if (parameters_.is_frozen(i) || is_left_out(i)) continue;
    targets[static_cast<int>(parameters_.all()[i].group)].push_back(
        {value, value.grad(), copy, moments_[i], static_cast<uint32_t>(i)});
  }
  for (int i = 0; i < kParameterGroupCount; ++i) {
    const AdamwGroupOptions& group = options_.groups[i];
    kernels::adamw(targets[i],
                   {inputs.lr * group.lr_scale, options_.beta1, options_.beta2, options_.eps,
                    group.weight_decay},
                   control);
  }
  updates_.add_(1);
  if (control.skip.defined()) {
    updates_.sub_(control.skip);
    skips_.add_(control.skip);
  }
  parameters_.mark_changed();
  for (const size_t i : copied) kernels::confirm_working_copy(parameters_[i]);
}

std::map<std::string, Tensor> Adamw::state() const {
  std::map<std::string, Tensor> state{{"updates", updates_}, {"skips", skips_}};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (is_left_out(i)) continue;
    const std::string& name = parameters_.all()[i].name;
    const Moments& moments = moments_[i];
    state[kFirst + name] = moments.first;
    state[kSecond + name] = moments.second;
    if (!moments.first_scale.defined()) continue;
    state[kFirstScale + name] = moments.first_scale;
    state[kSecondScale + name] = moments.second_scale;
  }
  return state;
}

void Adamw::load_state(const std::map<std::string, Tensor>& state) {
  const Tensor updates = moment_in(state, "updates", {1}), skips = moment_in(state, "skips", {1});
  std::vector<Moments> saved;
  size_t known = 2;
  for (const auto& [name, tensor] : state) {
    const size_t dot = name.find('.');
    const std::string kind = name.substr(0, dot == std::string::npos ? 0 : dot + 1);
    const bool of_parameter =
        kind == kFirst || kind == kSecond || kind == kFirstScale || kind == kSecondScale;
    if (name == "updates" || name == "skips") continue;
    if (!of_parameter || !parameters_.has(name.substr(dot + 1))) {
      fail("adamw.load_state", "'" + name + "'", "a moment of this model");
    }
  }
  for (size_t i = 0; i < parameters_.size(); ++i) {
    saved.push_back(is_left_out(i) ? Moments() : saved_moments(state, parameters_.all()[i]));
    if (is_left_out(i)) continue;
    known += saved.back().state == MomentState::k8Bit ? 4 : 2;
  }
  if (state.size() != known) {
    fail("adamw.load_state", std::to_string(state.size()) + " tensors",
         std::to_string(known) + ": scales belong to 8-bit moments alone");
  }
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < saved.size(); ++i) {
    if (!is_left_out(i)) copy_moments(saved[i], moments_[i]);
  }
  updates_.copy_(updates);
  skips_.copy_(skips);
}

int64_t Adamw::update_count() const {
  return static_cast<int64_t>(updates_.item<float>());
}
int64_t Adamw::skip_count() const {
  return static_cast<int64_t>(skips_.item<float>());
}

}  // namespace rmkv
