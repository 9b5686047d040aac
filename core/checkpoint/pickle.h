// Reads the pickle streams in which torch.save writes tensors, through an allow list, calling
// nothing.
//
// Python's pickle is a program for a stack machine; here only the instructions that build plain
// data are known, and of the functions it may name only those that rebuild a tensor from its
// storage, as descriptions.  Everything else is refused by name.  Opcodes: CPython
// Lib/pickletools.py, protocols 2 to 5.
//
// Not here: the zip archive and the storages' bytes (pt_file.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

// A tensor as the pickle describes it: a strided window into a storage.
struct PickledTensor {
  std::string storage;       // key of the storage in the archive, for example "17"
  at::ScalarType dtype;      // of the storage
  int64_t storage_elements;  // of the whole storage
  int64_t offset;            // in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct PickleNode;
using PicklePtr = std::shared_ptr<PickleNode>;

struct PickleList {
  std::vector<PicklePtr> items;
};
struct PickleDict {
  std::vector<std::pair<PicklePtr, PicklePtr>> entries;  // in order of insertion
};
struct PickleNode {
  // nothing (None), bool, int, float, text, bytes, list or tuple or set, dict, tensor
  std::variant<std::monostate, bool, int64_t, double, std::string, PickleList, PickleDict,
               PickledTensor>
      value;
};

// Limits: 64 MiB of stream, 4 million instructions, nesting 100, integers of 8 bytes.  `name` opens
// every message.
PicklePtr parse_pickle(std::string_view bytes, const std::string& name);

}  // namespace rmkv
