// The named parameters of a model, laid out in flat buffers.
//
// A model adds its parameters in order, each with a name and a group; `finish` lays them out: one
// contiguous fp32 buffer of values and one of gradients per group, every parameter a view into
// both.  Clipping, the optimiser, zeroing and saving then work on a handful of large buffers. Views
// keep their address for life: load, device moves and training write in place.
//
// On the CPU the buffers lie on huge pages (decoding streams through them) and take memory when
// they are first written: a model that is only used has no gradients in memory.
//
// Not here: optimiser state (core/optim), files (safetensors.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

// How the optimiser treats a parameter; the names are the keys of `groups` in an optimiser's
// options.
enum class ParameterGroup {
  kMatrix,     // weight decay
  kVector,     // norms, biases, embeddings of positions and slots: no decay
  kGate,       // memory gate biases: learning rate x 10-30, no decay (memory-architectures.md,
               // section 4.5)
  kEmbedding,  // token embedding (tied head)
};
inline constexpr int kParameterGroupCount = 4;
std::string group_name(ParameterGroup group);  // "matrix", "vector", "gate", "embedding"

struct Parameter {
  std::string name;  // path, for example "layers.3.attention.qkv.weight"
  ParameterGroup group;
  Tensor value;         // fp32 (fp64 in tests), a view into the group's flat values; requires_grad
  bool frozen = false;  // no gradient, no update; its group may be frozen beside it (is_frozen)
};

// What a model's initial values are made from.  None: they stay zero and cost nothing, for a caller
// that loads others at once.
using ParameterSeed = std::optional<uint64_t>;

// A range of a group's flat buffers, in elements.
struct FlatSpan {
  int64_t begin;
  int64_t count;
};

class ParameterStore {
 public:
  explicit ParameterStore(at::ScalarType dtype = at::kFloat, at::Device device = at::kCPU);

  // Declares a parameter with its initial value and returns its index.  Names are unique.
  // Call only before finish().
  size_t add(const std::string& name, const Tensor& initial_value, ParameterGroup group);
  // The same, of zeros.
  size_t add(const std::string& name, const std::vector<int64_t>& shape, ParameterGroup group);
  // Lays out the flat buffers.  After it, value tensors have gradients (zero) as views of the flat
  // gradients.
  void finish();

  size_t size() const { return parameters_.size(); }
  int64_t element_count() const;
  const std::vector<Parameter>& all() const { return parameters_; }
  // Throws naming the nearest parameter.
  const Parameter& get(const std::string& name) const;
  const Tensor& operator[](size_t index) const { return parameters_[index].value; }
  bool has(const std::string& name) const { return index_.count(name) > 0; }

  // The flat buffers of a group: [elements]; undefined tensors where the group is empty.
  const Tensor& flat_values(ParameterGroup group) const;
  const Tensor& flat_gradients(ParameterGroup group) const;
  // Where a parameter starts in its group's flat buffers, in elements (starts are 64-byte aligned;
  // gaps are zero).
  int64_t flat_offset(size_t index) const;
  void zero_gradients();
  // A frozen parameter gets no gradient and no update.  A parameter is frozen by itself or with its
  // group.
  void set_frozen(size_t index, bool frozen);
  void set_group_frozen(ParameterGroup group, bool frozen);
  bool is_frozen(size_t index) const;
  // The ranges of a group that are not frozen, neighbours joined: what an optimiser updates.
  std::vector<FlatSpan> trained_spans(ParameterGroup group) const;

  // Copies values in by name (any float dtype, converted).  Missing, extra or misshapen names throw
  // with the list, before anything is written.
  void load(const std::map<std::string, Tensor>& values);
  // Lets `write` set every value in place, in the order of all().
  void fill(const std::function<void(Tensor& value)>& write);
  std::map<std::string, Tensor> named_values() const;  // views, not copies

  // Rises each time values change in place (optimiser step, load): caches of derived weights
  // compare it.
  uint64_t version() const { return version_; }
  // Also raises LibTorch's version counters, which fused kernels on the flat buffers do not.
  void mark_changed();

  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

 private:
  at::ScalarType dtype_;
  at::Device device_;
  std::vector<Parameter> parameters_;
  std::map<std::string, size_t> index_;
  Tensor flat_values_[kParameterGroupCount];
  Tensor flat_gradients_[kParameterGroupCount];
  bool group_frozen_[kParameterGroupCount] = {};
  bool finished_ = false;
  uint64_t version_ = 0;
};

}  // namespace rmkv
