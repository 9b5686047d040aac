// What a model remembers between blocks of tokens: named tensors and counters, a plain value.
//
// Every tensor has the batch as its first dimension, so a state of B lanes can be sliced, joined,
// saved and compared without knowing the architecture.  Copying is cheap: tensors are shared until
// one side writes (`writable`).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

class State {
 public:
  State() = default;

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  // Read access; throws when absent.
  const Tensor& get(const std::string& name) const;
  // Replaces the tensor under `name` (the old one lives on in copies of this state).
  void set(const std::string& name, Tensor value);
  void erase(const std::string& name) { tensors_.erase(name); }
  // Access for writing in place: cloned first when a copy of this state shares the tensor.
  Tensor& writable(const std::string& name);

  int64_t counter(const std::string& name) const;  // 0 when absent
  void set_counter(const std::string& name, int64_t value) { counters_[name] = value; }

  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  const std::map<std::string, int64_t>& counters() const { return counters_; }

  // Lanes `first` .. `first + count - 1` as a state of their own (copied).
  State lanes(int64_t first, int64_t count) const;
  // States with equal counters and names side by side.
  static State join(const std::vector<State>& states);
  // Writes the lanes of `source` (its batch is lanes.size()) into the given lanes of this state.
  void assign_lanes(const std::vector<int64_t>& lanes, const State& source);

  int64_t batch() const;  // 0 when empty
  int64_t size_bytes() const;
  // Cuts the autograd graph: what follows treats the content as constants.
  void detach();
  // Same names, counters and bits.
  bool equals(const State& other) const;

 private:
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, int64_t> counters_;
};

}  // namespace rmkv
