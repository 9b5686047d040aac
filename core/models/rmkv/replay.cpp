// Segment replay as one autograd node; see replay.h.
#include "core/models/rmkv/replay.h"

#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What backward needs: how to run a segment and the states before each.
struct ReplayRecord : torch::CustomClassHolder {
  SegmentForward run;
  std::vector<Tensor> tokens;           // per segment, int64 [B, T']
  std::vector<ForwardOptions> options;  // per segment
  std::vector<State> borders;           // the state before each segment, without graph
  std::vector<std::string> names;       // state tensors that carry gradients
  State end;                            // the state after the last one
};

std::vector<std::string> differentiable_names(const State& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.tensors()) {
    if (tensor.is_floating_point()) names.push_back(name);
  }
  return names;
}

ForwardOptions segment_options(const ForwardOptions& options, int64_t s, int64_t length) {
  ForwardOptions part = options;
  part.replay = false;
  part.readings = nullptr;
  part.segment_tokens = length;
  if (options.valid.defined()) part.valid = options.valid.narrow(1, s * length, length);
  if (options.resets.defined()) part.resets = options.resets.narrow(1, s, 1);
  return part;
}

class SegmentReplay : public torch::autograd::Function<SegmentReplay> {
 public:
  // inputs: the initial state's tensors in the order of record->names, then the anchor.
  // -> hidden rows, then the final state's tensors in that order.
  static variable_list forward(AutogradContext* context, at::TensorList inputs,
                               const c10::intrusive_ptr<ReplayRecord>& record) {
    // A TensorList, not a vector: only that is recognised as inputs of the graph.
    context->saved_data["record"] = at::IValue::make_capsule(record);
    context->saved_data["inputs"] = static_cast<int64_t>(inputs.size());
    context->set_materialize_grads(false);
    State state = record->borders[0];
    std::vector<Tensor> hidden;
    for (size_t s = 0; s < record->tokens.size(); ++s) {
      if (s > 0) record->borders.push_back(state);
      hidden.push_back(record->run(record->tokens[s], state, record->options[s]));
    }
    variable_list outputs = {at::cat(hidden, 1)};
    for (const std::string& name : record->names) {
      // A tensor that came through unchanged must not be both input and output of the node.
      const Tensor& value = state.get(name);
      outputs.push_back(value.is_alias_of(record->borders[0].get(name)) ? value.clone() : value);
    }
    record->end = state;
    return outputs;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto record =
        c10::static_intrusive_pointer_cast<ReplayRecord>(context->saved_data["record"].toCapsule());
    const Tensor hidden_gradient = gradients[0];
    variable_list state_gradients(gradients.begin() + 1, gradients.end());
    const int64_t length = record->tokens[0].size(1);
    for (size_t s = record->tokens.size(); s-- > 0;) {
      const Tensor part = hidden_gradient.defined()
                              ? hidden_gradient.narrow(1, static_cast<int64_t>(s) * length, length)
                              : Tensor();
      state_gradients = replay_one(*record, s, part, state_gradients);
    }
    state_gradients.resize(static_cast<size_t>(context->saved_data["inputs"].toInt()) + 1);
    return state_gradients;
  }

 private:
  // Backward through segment s: adds to the parameters' gradients, returns those of the state
  // before it.
  static variable_list replay_one(const ReplayRecord& record, size_t s,
                                  const Tensor& hidden_gradient,
                                  const variable_list& state_gradients) {
    at::AutoGradMode with_graph(true);
    State state = record.borders[s];
    variable_list leaves;
    for (const std::string& name : record.names) {
      leaves.push_back(state.get(name).detach().requires_grad_(true));
      state.set(name, leaves.back());
    }
    const Tensor hidden = record.run(record.tokens[s], state, record.options[s]);
    variable_list roots, root_gradients;
    const auto add = [&](const Tensor& root, const Tensor& gradient) {
      if (!gradient.defined() || !root.requires_grad()) return;
      roots.push_back(root);
      root_gradients.push_back(gradient);
    };
    add(hidden, hidden_gradient);
    for (size_t i = 0; i < record.names.size(); ++i)
      add(state.get(record.names[i]), state_gradients[i]);
    if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
    variable_list before;
    for (const Tensor& leaf : leaves) before.push_back(leaf.grad());
    return before;
  }
};

}  // namespace

Tensor replayed_forward(const SegmentForward& run, const Tensor& anchor, const Tensor& tokens,
                        State& state, const ForwardOptions& options, int64_t length) {
  auto record = c10::make_intrusive<ReplayRecord>();
  record->run = run;
  record->names = differentiable_names(state);
  for (int64_t s = 0; s * length < tokens.size(1); ++s) {
    record->tokens.push_back(tokens.narrow(1, s * length, length));
    record->options.push_back(segment_options(options, s, length));
  }
  variable_list inputs;
  for (const std::string& name : record->names) inputs.push_back(state.get(name));
  inputs.push_back(anchor);
  State start = state;
  start.detach();
  record->borders.push_back(start);
  const variable_list outputs = SegmentReplay::apply(at::TensorList(inputs), record);
  State end = record->end;
  record->end = State();
  for (size_t i = 0; i < record->names.size(); ++i) end.set(record->names[i], outputs[i + 1]);
  state = end;
  return outputs[0];
}

}  // namespace rmkv
