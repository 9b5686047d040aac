// Text of objects; tensors are described in tensor_text.h.
#include "bindings/object_text.h"

#include "bindings/tensor_args.h"
#include "bindings/tensor_text.h"

namespace rmkv::lua {

std::string object_text(const Handle& handle, bool full) {
  if (!handle.object) return handle.type->name + " (released; made at " + handle.made_at + ")";
  if (handle.type == &class_of<Tensor>()) {
    auto& tensor = *static_cast<const Tensor*>(handle.object.get());
    return full ? tensor_full(tensor, 100) : tensor_line(tensor);
  }
  return handle.type->name;
}

}  // namespace rmkv::lua
