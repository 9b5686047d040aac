// Which format a path is, and the readers behind one door.
#include "core/checkpoint/stored_weights.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/ggmf_format.h"
#include "core/checkpoint/gguf_format.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

constexpr char kFormats[] =
    "a .pth (torch.save), safetensors, rwkv.cpp (ggmf) or GGUF file, told apart by content";
constexpr uint64_t kMaxConfigBytes = 1 << 20;

bool begins_with(std::string_view bytes, uint32_t magic) {
  return bytes.substr(0, 4) == std::string_view(reinterpret_cast<const char*>(&magic), 4);
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The one model file of a folder.
std::string file_of_folder(const std::string& folder) {
  for (const char* name : {"model.safetensors.index.json", "model.safetensors"}) {
    const std::string path = (fs::path(folder) / name).string();
    if (path_exists(path)) return path;
  }
  std::vector<std::string> found;
  for (const std::string& name : list_folder(folder)) {
    for (const char* end : {".pth", ".safetensors", ".st", ".gguf", ".bin"}) {
      if (ends_with(name, end)) found.push_back(name);
    }
  }
  if (found.size() != 1) {
    fail(folder, std::to_string(found.size()) + " model files", "one of them",
         found.empty() ? "" : "name the file itself, for example " + found[0]);
  }
  return (fs::path(folder) / found[0]).string();
}

}  // namespace

std::string detect_weight_format(std::string_view bytes) {
  if (begins_with(bytes, kGgmfMagic)) return "ggmf";
  if (begins_with(bytes, kGgufMagic)) return "gguf";
  if (bytes.substr(0, 2) == "PK" || bytes.substr(0, 2) == "\x80\x02") return "pth";
  // Eight bytes of length, then the header's opening brace.
  if (bytes.size() > 8 && bytes[8] == '{') return "safetensors";
  return "";
}

StoredWeights parse_stored_weights(std::string_view bytes, const ByteOwner& owner,
                                   const std::string& name) {
  const std::string format = detect_weight_format(bytes);
  if (format == "ggmf") return parse_ggmf_weights(bytes, owner, name);
  if (format == "gguf") return parse_gguf_weights(bytes, owner, name);
  if (format == "pth") return parse_pth_weights(bytes, owner, name);
  if (format == "safetensors") return parse_safetensors_weights(bytes, owner, name);
  fail(name, bytes.empty() ? "an empty file" : "another kind of file", kFormats);
}

StoredWeights read_stored_weights(const std::string& given) {
  if (!path_exists(given)) fail_because(given, "no such model file");
  const std::string path = is_folder(given) ? file_of_folder(given) : given;
  StoredWeights stored;
  if (ends_with(path, ".index.json")) {
    stored = read_sharded_safetensors(path);
  } else {
    auto file = std::make_shared<const MappedFile>(path);
    stored = parse_stored_weights(file->bytes(), file, path);
  }
  const std::string config = (fs::path(path).parent_path() / "config.json").string();
  if (path_exists(config)) {
    Value table = parse_json(read_file(config, kMaxConfigBytes), config);
    if (table.is_table()) stored.metadata["config"] = std::move(table);
  }
  return stored;
}

}  // namespace rmkv
