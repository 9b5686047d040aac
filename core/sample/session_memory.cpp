// The memory of a session as a value to look at and to change: states, slots, whole tensors.
#include <algorithm>

#include "core/base/error.h"
#include "core/sample/session.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

}  // namespace

void Session::flush() {
  settle();
  at::NoGradGuard no_grad;
  ForwardOptions options;
  options.compute_dtype = compute_dtype_;
  model_->flush(moment_.state, options);
  moment_.open.clear();
  if (has_segments()) moment_.segment_start = moment_.state;
}

State Session::state() const {
  return looked().state;
}

std::vector<std::string> Session::memory_names() const {
  return model_->memory_names(moment_.state);
}

void Session::check_memory(const std::string& memory) const {
  std::vector<std::string> names = memory_names();
  if (std::find(names.begin(), names.end(), memory) == names.end()) {
    fail("session.memory", "'" + memory + "'", "one of: " + join_names(names));
  }
}

Tensor Session::read_slot(const std::string& memory, int64_t slot) const {
  check_memory(memory);
  const Tensor value = looked().state.get(memory);
  check_slot(value, slot);
  return value.select(1, slot).squeeze(0).clone();
}

void Session::erase_slot(const std::string& memory, int64_t slot, EraseTo value) {
  check_memory(memory);
  settle();
  at::NoGradGuard no_grad;
  Tensor target = moment_.state.get(memory);
  check_slot(target, slot);
  Tensor erased = target.clone();
  if (value == EraseTo::kZero) {
    erased.select(1, slot).zero_();
  } else {
    erased.select(1, slot).copy_(model_->initial_state(1).get(memory).select(1, slot));
  }
  replace_memory(memory, erased);
}

void Session::write_memory(const std::string& memory, const Tensor& value) {
  check_memory(memory);
  settle();
  at::NoGradGuard no_grad;
  const Tensor& old = moment_.state.get(memory);
  if (value.sizes() != old.sizes()) {
    fail("session.write_memory('" + memory + "')", tensor_text(value), tensor_text(old));
  }
  replace_memory(memory, value.to(old.options()).clone());
}

void Session::replace_memory(const std::string& memory, const Tensor& value) {
  // The edit counts from now on, and what was already read in the open segment stays: a small save,
  // which computes the open segment again, therefore starts from the edited memory too.
  look_.reset();
  moment_.state.set(memory, value);
  if (moment_.segment_start.has(memory)) moment_.segment_start.set(memory, value);
}

void Session::check_slot(const Tensor& memory, int64_t slot) const {
  if (memory.dim() < 3)
    fail("session.memory", tensor_text(memory), "a memory of slots [1, M, ...]");
  if (slot < 0 || slot >= memory.size(1)) {
    fail("session.memory", "slot " + std::to_string(slot),
         "slots in [0, " + std::to_string(memory.size(1)) + ")");
  }
}

}  // namespace rmkv
