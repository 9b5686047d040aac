// LibTorch's fused kernel on spans of the flat buffers: one span per group unless something in it
// is frozen.
#include "core/optim/adamw.h"

#include "core/base/option_reader.h"
#include "core/tensor/torch.h"

namespace rmkv {

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
  return {{"betas", List{beta1, beta2}}, {"eps", eps}, {"groups", group_tables}};
}

Adamw::Adamw(ParameterStore& parameters, const AdamwOptions& options)
    : parameters_(parameters), options_(options) {
  for (int i = 0; i < kParameterGroupCount; ++i) {
    const Tensor& values = parameters_.flat_values(static_cast<ParameterGroup>(i));
    if (!values.defined()) continue;
    first_moments_[i] = at::zeros_like(values);
    second_moments_[i] = at::zeros_like(values);
  }
  updates_ = at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(parameters_.device()));
  skips_ = at::zeros_like(updates_);
  apply_frozen();
}

void Adamw::apply_frozen() {
  for (int i = 0; i < kParameterGroupCount; ++i) {
    parameters_.set_group_frozen(static_cast<ParameterGroup>(i), options_.groups[i].frozen);
  }
}

void Adamw::set_options(const Table& options) {
  options_ = AdamwOptions::from_table(options, options_);
  apply_frozen();
}

void Adamw::step(const StepInputs& inputs) {
  at::NoGradGuard no_grad;
  // The kernel wants the number of this update, a skipped one included; the skip is taken back
  // below.
  updates_.add_(1);
  std::optional<Tensor> divisor, skip;
  if (inputs.divisor.defined()) divisor = inputs.divisor.reshape({1});
  if (inputs.skip.defined()) skip = inputs.skip.reshape({1});
  for (int i = 0; i < kParameterGroupCount; ++i) {
    auto group = static_cast<ParameterGroup>(i);
    std::vector<Tensor> values, gradients, first, second, counts;
    for (const FlatSpan& span : parameters_.trained_spans(group)) {
      auto piece = [&](const Tensor& flat) { return flat.narrow(0, span.begin, span.count); };
      values.push_back(piece(parameters_.flat_values(group)));
      gradients.push_back(piece(parameters_.flat_gradients(group)));
      first.push_back(piece(first_moments_[i]));
      second.push_back(piece(second_moments_[i]));
      counts.push_back(updates_);
    }
    if (values.empty()) continue;
    const AdamwGroupOptions& rates = options_.groups[i];
    at::_fused_adamw_(values, gradients, first, second, {}, counts, inputs.lr * rates.lr_scale,
                      options_.beta1, options_.beta2, rates.weight_decay, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false, divisor, skip);
  }
  if (skip) {
    updates_.sub_(*skip);
    skips_.add_(*skip);
  }
  parameters_.mark_changed();
}

Tensor Adamw::moment_view(const Tensor& flat, size_t index) const {
  const Tensor& value = parameters_[index];
  return flat.narrow(0, parameters_.flat_offset(index), value.numel()).view(value.sizes());
}

std::map<std::string, Tensor> Adamw::state() const {
  std::map<std::string, Tensor> state{{"updates", updates_}, {"skips", skips_}};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_.all()[i];
    int group = static_cast<int>(parameter.group);
    state["first_moment." + parameter.name] = moment_view(first_moments_[group], i);
    state["second_moment." + parameter.name] = moment_view(second_moments_[group], i);
  }
  return state;
}

void Adamw::load_state(const std::map<std::string, Tensor>& state) {
  std::map<std::string, Tensor> own = this->state();
  for (const auto& [name, tensor] : state) {
    auto place = own.find(name);
    if (place == own.end()) fail("adamw.load_state", "'" + name + "'", "a moment of this model");
    check_shape(tensor, "adamw.load_state '" + name + "'", place->second.sizes().vec(), "");
  }
  for (const auto& entry : own) {
    if (!state.count(entry.first)) {
      fail("adamw.load_state", "no '" + entry.first + "'", "moments of every parameter");
    }
  }
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : own) tensor.copy_(state.at(name));
}

int64_t Adamw::update_count() const {
  return static_cast<int64_t>(updates_.item<float>());
}
int64_t Adamw::skip_count() const {
  return static_cast<int64_t>(skips_.item<float>());
}

}  // namespace rmkv
