// The layout of the flat buffers and the views into them.
#include "core/tensor/parameters.h"

#include <sys/mman.h>

#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// Parameters start on 64-byte lines (16 fp32); the gaps are zero and stay zero under every
// optimiser.
constexpr int64_t kAlignElements = 16;

int64_t aligned(int64_t elements) {
  return (elements + kAlignElements - 1) / kAlignElements * kAlignElements;
}

// Zeros whose memory comes with the first write.
Tensor zero_pages(int64_t elements, const at::TensorOptions& options) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t bytes = static_cast<size_t>(elements) * options.dtype().itemsize();
  if (!options.device().is_cpu() || bytes < kHugePage) return at::zeros({elements}, options);
  const size_t mapped = bytes + kHugePage;  // room to align
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    fail("parameters", "no memory for " + std::to_string(bytes) + " bytes",
         "enough free memory for the model");
  }
  const auto address = reinterpret_cast<uintptr_t>(mapping);
  void* begin = reinterpret_cast<void*>((address + kHugePage - 1) / kHugePage * kHugePage);
  madvise(begin, bytes, MADV_HUGEPAGE);  // a wish, not a need
  return at::from_blob(
      begin, {elements}, [=](void*) { munmap(mapping, mapped); }, options);
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMost = 8;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMost) text += " and " + std::to_string(names.size() - kMost) + " more";
  return text;
}

}  // namespace

std::string group_name(ParameterGroup group) {
  static const char* const kNames[] = {"matrix", "vector", "gate", "embedding"};
  return kNames[static_cast<int>(group)];
}

ParameterStore::ParameterStore(at::ScalarType dtype, at::Device device)
    : dtype_(dtype), device_(device) {
  if (dtype != at::kFloat && dtype != at::kDouble) {
    fail("parameters.dtype", dtype_name(dtype), "fp32 or fp64",
         "bf16 is a dtype of computation: ForwardOptions.compute_dtype");
  }
}

size_t ParameterStore::add(const std::string& name, const Tensor& initial_value,
                           ParameterGroup group) {
  RMKV_ASSERT(!finished_ && initial_value.defined());
  if (!index_.emplace(name, parameters_.size()).second) {
    fail("parameters", "'" + name + "' twice", "unique names");
  }
  parameters_.push_back({name, group, initial_value.detach(), false});
  return parameters_.size() - 1;
}

size_t ParameterStore::add(const std::string& name, const std::vector<int64_t>& shape,
                           ParameterGroup group) {
  return add(name, at::empty(shape, at::TensorOptions().dtype(dtype_).device(at::kMeta)), group);
}

void ParameterStore::finish() {
  RMKV_ASSERT(!finished_);
  finished_ = true;
  at::NoGradGuard no_grad;
  int64_t sizes[kParameterGroupCount] = {};
  for (const Parameter& parameter : parameters_) {
    sizes[static_cast<int>(parameter.group)] += aligned(parameter.value.numel());
  }
  at::TensorOptions options = at::TensorOptions().dtype(dtype_).device(device_);
  for (int group = 0; group < kParameterGroupCount; ++group) {
    if (sizes[group] == 0) continue;
    flat_values_[group] = zero_pages(sizes[group], options);
    flat_gradients_[group] = zero_pages(sizes[group], options);
  }
  int64_t offsets[kParameterGroupCount] = {};
  for (Parameter& parameter : parameters_) {
    int group = static_cast<int>(parameter.group);
    int64_t count = parameter.value.numel();
    auto view = [&](const Tensor& flat) {
      return flat.narrow(0, offsets[group], count).view(parameter.value.sizes()).detach();
    };
    Tensor value = view(flat_values_[group]);
    if (!parameter.value.is_meta()) value.copy_(parameter.value);
    value.set_requires_grad(true);
    // A defined gradient is added to in place by AccumulateGrad, so it stays a view for life.
    value.mutable_grad() = view(flat_gradients_[group]);
    parameter.value = value;
    offsets[group] += aligned(count);
  }
}

int64_t ParameterStore::element_count() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.value.numel();
  return count;
}

const Parameter& ParameterStore::get(const std::string& name) const {
  auto place = index_.find(name);
  if (place == index_.end()) {
    std::vector<std::string> names;
    for (const Parameter& parameter : parameters_) names.push_back(parameter.name);
    std::string near = nearest_name(name, names);
    fail("parameters", "'" + name + "'", "the name of a parameter",
         near.empty() ? "" : "did you mean '" + near + "'?");
  }
  return parameters_[place->second];
}

void ParameterStore::set_frozen(size_t index, bool frozen) {
  RMKV_ASSERT(finished_ && index < parameters_.size());
  parameters_[index].frozen = frozen;
  parameters_[index].value.set_requires_grad(!is_frozen(index));
}

void ParameterStore::set_group_frozen(ParameterGroup group, bool frozen) {
  RMKV_ASSERT(finished_);
  group_frozen_[static_cast<int>(group)] = frozen;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].group == group) parameters_[i].value.set_requires_grad(!is_frozen(i));
  }
}

bool ParameterStore::is_frozen(size_t index) const {
  const Parameter& parameter = parameters_[index];
  return parameter.frozen || group_frozen_[static_cast<int>(parameter.group)];
}

std::vector<FlatSpan> ParameterStore::trained_spans(ParameterGroup group) const {
  std::vector<FlatSpan> spans;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].group != group || is_frozen(i)) continue;
    FlatSpan span{flat_offset(i), aligned(parameters_[i].value.numel())};
    if (!spans.empty() && spans.back().begin + spans.back().count == span.begin) {
      spans.back().count += span.count;
    } else {
      spans.push_back(span);
    }
  }
  return spans;
}

const Tensor& ParameterStore::flat_values(ParameterGroup group) const {
  return flat_values_[static_cast<int>(group)];
}

const Tensor& ParameterStore::flat_gradients(ParameterGroup group) const {
  return flat_gradients_[static_cast<int>(group)];
}

int64_t ParameterStore::flat_offset(size_t index) const {
  RMKV_ASSERT(finished_ && index < parameters_.size());
  return parameters_[index].value.storage_offset();
}

void ParameterStore::zero_gradients() {
  at::NoGradGuard no_grad;
  for (Tensor& gradients : flat_gradients_) {
    if (gradients.defined()) gradients.zero_();
  }
}

void ParameterStore::load(const std::map<std::string, Tensor>& values) {
  RMKV_ASSERT(finished_);
  std::vector<std::string> missing, extra, misshapen;
  for (const Parameter& parameter : parameters_) {
    auto place = values.find(parameter.name);
    if (place == values.end()) {
      missing.push_back(parameter.name);
    } else if (!place->second.defined() || place->second.sizes() != parameter.value.sizes()) {
      misshapen.push_back(parameter.name + " " + tensor_text(place->second) + " for " +
                          shape_text(parameter.value.sizes()));
    } else if (!place->second.is_floating_point()) {
      misshapen.push_back(parameter.name + " " + tensor_text(place->second) + " for floats");
    }
  }
  for (const auto& entry : values) {
    if (!has(entry.first)) extra.push_back(entry.first);
  }
  if (!missing.empty() || !extra.empty() || !misshapen.empty()) {
    std::string got;
    auto part = [&](const char* title, const std::vector<std::string>& names) {
      if (!names.empty()) got += (got.empty() ? "" : "; ") + (title + listed(names));
    };
    part("missing ", missing);
    part("unknown ", extra);
    part("misshapen ", misshapen);
    fail("parameters.load", got, "exactly the model's " + std::to_string(size()) + " parameters",
         "is it the same configuration that the file was saved with?");
  }
  at::NoGradGuard no_grad;
  for (Parameter& parameter : parameters_) parameter.value.copy_(values.at(parameter.name));
  mark_changed();
}

void ParameterStore::fill(const std::function<void(Tensor& value)>& write) {
  RMKV_ASSERT(finished_);
  at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters_) {
    Tensor value = parameter.value.detach();
    write(value);
  }
  mark_changed();
}

void ParameterStore::mark_changed() {
  ++version_;
  for (const Tensor& values : flat_values_) {
    if (values.defined()) values.unsafeGetTensorImpl()->bump_version();  // shared by every view
  }
}

std::map<std::string, Tensor> ParameterStore::named_values() const {
  std::map<std::string, Tensor> values;
  for (const Parameter& parameter : parameters_) values[parameter.name] = parameter.value.detach();
  return values;
}

}  // namespace rmkv
