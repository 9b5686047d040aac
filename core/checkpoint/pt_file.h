// .pt and .pth files (torch.save since version 1.6): a zip of one pickle and the bytes of its
// storages.
//
// Data is never code: see pickle.h.  The older format (a bare pickle stream) and compressed
// archives are refused by name.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/value.h"
#include "core/tensor/tensor.h"

namespace rmkv {

struct PtFile {
  std::map<std::string, Tensor>
      tensors;  // CPU, own memory, contiguous; by path: "model_state_dict.head.weight"
  Table rest;   // everything else in the root dictionary that is plain, nested as it is
};

// `name` opens every message.
PtFile parse_pt(std::string_view bytes, const std::string& name);
PtFile read_pt(const std::string& path);

}  // namespace rmkv
