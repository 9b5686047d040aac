// Lanes of a state are slices of the first dimension of its tensors.
#include "core/models/state.h"

#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// Bits, not values: NaN equals itself and -0 differs from 0.
bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes() || a.device() != b.device()) {
    return false;
  }
  if (a.numel() == 0 || a.is_alias_of(b)) {
    if (a.numel() == 0 || (a.data_ptr() == b.data_ptr() && a.strides() == b.strides())) return true;
  }
  Tensor left = a.contiguous().view(-1).view(at::kByte);
  return at::equal(left, b.contiguous().view(-1).view(at::kByte));
}

}  // namespace

const Tensor& State::get(const std::string& name) const {
  auto place = tensors_.find(name);
  if (place == tensors_.end()) {
    std::vector<std::string> names;
    for (const auto& entry : tensors_) names.push_back(entry.first);
    fail_because("state", unknown_name_text("tensor", name, names));
  }
  return place->second;
}

void State::set(const std::string& name, Tensor value) {
  RMKV_ASSERT(value.defined() && value.dim() >= 1);
  tensors_[name] = std::move(value);
}

Tensor& State::writable(const std::string& name) {
  get(name);  // for its error
  Tensor& tensor = tensors_[name];
  // Two handles on one tensor, or two tensors on one storage, both mean that somebody else reads
  // it.
  if (tensor.use_count() > 1 || tensor.storage().use_count() > 1) tensor = tensor.clone();
  return tensor;
}

int64_t State::counter(const std::string& name) const {
  auto place = counters_.find(name);
  return place == counters_.end() ? 0 : place->second;
}

State State::lanes(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first + count > batch()) {
    fail("state.lanes", std::to_string(first) + " .. " + std::to_string(first + count - 1),
         "lanes of a batch of " + std::to_string(batch()));
  }
  State result;
  for (const auto& [name, tensor] : tensors_) {
    result.tensors_[name] = tensor.narrow(0, first, count).clone();
  }
  result.counters_ = counters_;
  return result;
}

State State::join(const std::vector<State>& states) {
  if (states.empty()) return {};
  State result;
  result.counters_ = states[0].counters_;
  for (const State& state : states) {
    if (state.counters_ != result.counters_ || state.tensors_.size() != states[0].tensors_.size()) {
      fail("state.join", "states with different names or counters", "states at the same position");
    }
  }
  for (const auto& entry : states[0].tensors_) {
    std::vector<Tensor> parts;
    for (const State& state : states) parts.push_back(state.get(entry.first));
    result.tensors_[entry.first] = at::cat(parts, 0);
  }
  return result;
}

void State::assign_lanes(const std::vector<int64_t>& lanes, const State& source) {
  if (source.batch() != static_cast<int64_t>(lanes.size()) || source.counters_ != counters_ ||
      source.tensors_.size() != tensors_.size()) {
    fail("state.assign_lanes",
         "a state of " + std::to_string(source.batch()) + " lanes with other names or counters",
         std::to_string(lanes.size()) + " lanes at the same position");
  }
  for (int64_t lane : lanes) {
    if (lane < 0 || lane >= batch()) {
      fail("state.assign_lanes", "lane " + std::to_string(lane),
           "a lane of a batch of " + std::to_string(batch()));
    }
  }
  for (const auto& entry : tensors_)
    source.get(entry.first);  // nothing is written when a name lacks
  Tensor index = at::tensor(lanes, at::kLong);
  for (auto& [name, tensor] : tensors_) {
    const Tensor& value = source.get(name);
    // Out of place, so that copies of this state and a graph through it stay as they are.
    tensor = tensor.index_copy(0, index.to(tensor.device()), value.to(tensor.options()));
  }
}

int64_t State::batch() const {
  return tensors_.empty() ? 0 : tensors_.begin()->second.size(0);
}

int64_t State::size_bytes() const {
  int64_t bytes = 0;
  for (const auto& entry : tensors_) bytes += static_cast<int64_t>(entry.second.nbytes());
  return bytes;
}

void State::detach() {
  for (auto& entry : tensors_) entry.second = entry.second.detach();
}

bool State::equals(const State& other) const {
  if (counters_ != other.counters_ || tensors_.size() != other.tensors_.size()) return false;
  for (const auto& [name, tensor] : tensors_) {
    auto place = other.tensors_.find(name);
    if (place == other.tensors_.end() || !same_bits(tensor, place->second)) return false;
  }
  return true;
}

}  // namespace rmkv
