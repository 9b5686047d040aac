// Tensors out of a checked header, and into a streamed file.
#include "core/tensor/safetensors.h"

#include <algorithm>
#include <cstring>

#include "core/base/file.h"
#include "core/tensor/safetensors_header.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

Tensor tensor_from(const SafetensorsEntry& entry, std::string_view data,
                   const std::shared_ptr<const void>& owner) {
  const char* source = data.data() + entry.begin;
  const auto address = reinterpret_cast<uintptr_t>(source);
  if (owner && entry.dtype != at::kBool && address % at::elementSize(entry.dtype) == 0) {
    return at::from_blob(
        const_cast<char*>(source), entry.shape, [owner](void*) {}, entry.dtype);
  }
  Tensor tensor = at::empty(entry.shape, entry.dtype);
  if (entry.dtype == at::kBool) {
    // Any byte but 0 and 1 in a bool is undefined behaviour in C++.
    for (uint64_t i = 0; i < entry.end - entry.begin; ++i) {
      static_cast<uint8_t*>(tensor.data_ptr())[i] = source[i] != 0;
    }
  } else if (entry.end > entry.begin) {
    std::memcpy(tensor.data_ptr(), source, entry.end - entry.begin);
  }
  return tensor;
}

}  // namespace

SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name,
                                  const std::shared_ptr<const void>& owner) {
  SafetensorsHeader header = parse_safetensors_header(bytes, name);
  const std::string_view data = bytes.substr(header.data_begin);
  SafetensorsFile file;
  file.metadata = std::move(header.metadata);
  for (const SafetensorsEntry& entry : header.entries) {
    file.tensors[entry.name] = tensor_from(entry, data, owner);
  }
  return file;
}

SafetensorsFile read_safetensors(const std::string& path) {
  MappedFile file(path);
  return parse_safetensors(file.bytes(), path);
}

std::string write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<const Tensor*, SafetensorsEntry>> items;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) fail(path + ": tensor '" + name + "'", "no tensor", "a tensor");
    safetensors_dtype(tensor.scalar_type(), path + ": " + name);
    items.push_back({&tensor, {name, tensor.scalar_type(), tensor.sizes().vec(), 0, 0}});
  }
  // Widest elements first: every tensor then lies aligned to its element size.
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return at::elementSize(a.second.dtype) > at::elementSize(b.second.dtype);
  });
  std::vector<SafetensorsEntry> entries;
  uint64_t place = 0;
  for (auto& [tensor, entry] : items) {
    entry.begin = place;
    entry.end = place += tensor->nbytes();
    entries.push_back(entry);
  }
  AtomicFile file(path);
  file.write(safetensors_header_text(entries, metadata));
  for (const auto& [tensor, entry] : items) {
    Tensor flat = tensor->detach().to(at::kCPU).contiguous();
    file.write({static_cast<const char*>(flat.data_ptr()), static_cast<size_t>(flat.nbytes())});
  }
  return file.commit();
}

}  // namespace rmkv
