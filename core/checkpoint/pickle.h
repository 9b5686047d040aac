// Reads the pickle streams in which torch.save writes tensors, through an allow list, calling
// nothing.
//
// Python's pickle is a program for a stack machine; here only the instructions that build plain
// data are known, and of the functions it may name only those that rebuild a tensor from its
// storage, which become descriptions.  Everything else is refused by name.  Opcodes: CPython
// Lib/pickletools.py, protocols 2 to 5.
//
// Not here: the zip archive and the storages' bytes (pt_file.h).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

// An allowed name, "torch.FloatStorage"; never called.
struct PickledGlobal {
  std::string name;
};

struct PickledStorage {
  std::string key;  // of the storage in the archive, for example "17"
  at::ScalarType dtype;
  int64_t elements;
};

// A tensor as the pickle describes it: a strided window into a storage, checked to lie inside.
struct PickledTensor {
  PickledStorage storage;
  int64_t offset;  // in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct PickleNode;
struct PickleList {  // list, tuple or set
  std::vector<const PickleNode*> items;
};
struct PickleDict {
  std::vector<std::pair<const PickleNode*, const PickleNode*>> entries;  // in order of insertion
};
struct PickleNode {
  std::variant<std::monostate, bool, int64_t, double, std::string, PickleList, PickleDict,
               PickledGlobal, PickledStorage, PickledTensor>
      value;
};

// Owns its nodes, which may point at each other in any way, also in circles: walk with a limit.
struct Pickle {
  std::deque<PickleNode> nodes;
  const PickleNode* root = nullptr;
};

// Limits: 64 MiB of stream, 4 million instructions, integers of 8 bytes.  `name` opens every
// message.
Pickle parse_pickle(std::string_view bytes, const std::string& name);

}  // namespace rmkv
