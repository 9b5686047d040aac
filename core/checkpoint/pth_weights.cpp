// The tensors of a torch.save file as memory-mapped weights.
#include "core/checkpoint/pt_reader.h"
#include "core/checkpoint/stored_weights.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

WeightTensor weight_from(const PtWindow& window, const ByteOwner& owner, const std::string& where) {
  WeightTensor weight;
  weight.shape = window.shape;
  if (window.dtype == at::kFloat) {
    weight.type = WeightType::F32;
  } else if (window.dtype == at::kHalf) {
    weight.type = WeightType::F16;
  } else if (window.dtype == at::kBFloat16) {
    weight.type = WeightType::BF16;
  } else if (window.dtype != at::kDouble) {
    fail(where, dtype_name(window.dtype), "a float dtype");
  }
  if (window.dtype == at::kDouble || !window.is_contiguous()) return weight_of(window.copied());
  weight.data = reinterpret_cast<const uint8_t*>(window.storage.data()) +
                static_cast<uint64_t>(window.offset) * at::elementSize(window.dtype);
  weight.owner = owner;
  return weight;
}

}  // namespace

StoredWeights parse_pth_weights(std::string_view bytes, const ByteOwner& owner,
                                const std::string& name, bool check_crc) {
  PtContent content = describe_pt(bytes, name, check_crc);
  StoredWeights stored;
  stored.format = "pth";
  stored.metadata = std::move(content.rest);
  for (const auto& [path, window] : content.tensors) {
    // Counters of optimisers and the like are no weights of a model.
    if (at::isIntegralType(window.dtype, true)) continue;
    stored.weights[path] = weight_from(window, owner, name + ": '" + path + "'");
  }
  return stored;
}

}  // namespace rmkv
