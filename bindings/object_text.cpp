// Text of objects; tensors are described in tensor_text.h.
#include "bindings/object_text.h"

namespace rmkv::lua {

std::string object_text(const Handle& handle, bool full) {
  (void)full;
  if (!handle.object) return handle.type->name + " (released; made at " + handle.made_at + ")";
  return handle.type->name;
}

}  // namespace rmkv::lua
