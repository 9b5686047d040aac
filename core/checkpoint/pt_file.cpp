// Copies the windows of a file into tensors.
#include "core/checkpoint/pt_file.h"

#include "core/base/file.h"
#include "core/checkpoint/pt_reader.h"
#include "core/tensor/torch.h"

namespace rmkv {

PtFile parse_pt(std::string_view bytes, const std::string& name) {
  PtContent content = describe_pt(bytes, name, true);
  PtFile file;
  file.rest = std::move(content.rest);
  for (const auto& [path, window] : content.tensors) file.tensors[path] = window.copied();
  return file;
}

PtFile read_pt(const std::string& path) {
  MappedFile file(path);
  return parse_pt(file.bytes(), path);
}

}  // namespace rmkv
