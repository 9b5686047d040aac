// What a .pt or .pth file holds, without copying it: tensors as windows into its bytes, and the
// plain rest.
//
// Not here: tensors of their own memory (pt_file.h) and weights for models (stored_weights.h).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/value.h"
#include "core/tensor/tensor.h"

namespace rmkv {

// A strided window into a storage, checked to lie inside it.  The storage stands at any byte.
struct PtWindow {
  at::ScalarType dtype;
  std::string_view storage;  // a whole number of elements
  int64_t offset;            // of the first element, in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;

  bool is_contiguous() const;
  uint64_t count() const;  // elements of the shape
  // The window as a tensor in memory of its own.
  Tensor copied() const;
};

struct PtContent {
  std::map<std::string, PtWindow> tensors;  // by path: "model_state_dict.head.weight"
  Table rest;  // everything else in the root dictionary that is plain, nested as it is
};

// `name` opens every message.  Refuses tensors that together, copied out, would be many times the
// file's size: a window may show an element more than once (torch's expand), storages may be
// shared.
PtContent describe_pt(std::string_view bytes, const std::string& name, bool check_crc);

}  // namespace rmkv
