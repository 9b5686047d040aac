// Fuzz target: checkpoint folders whose manifest is right about hostile files, and folders with a
// hostile manifest.
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/checkpoint.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"

namespace {

using namespace rmkv;

constexpr const char* kFiles[] = {"config.toml", "cursor.json", "state.safetensors",
                                  "optimizer.safetensors", "model.safetensors"};

// As checkpoint.cpp writes it: a hash of itself without the hash.
std::string manifest_of(const std::vector<std::string_view>& files, const Value& facts) {
  Table listed;
  for (size_t i = 0; i < std::size(kFiles); ++i) {
    listed[kFiles[i]] = Table{{"bytes", files[i].size()}, {"hash", content_hash(files[i])}};
  }
  Table manifest{
      {"format", "rmkv-checkpoint"}, {"version", 1}, {"files", listed}, {"facts", facts}};
  manifest["checksum"] = content_hash(write_json(manifest, 1));
  return write_json(manifest, 1) + "\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Scratch scratch;
  if (size == 0) return 0;
  const auto files = fuzz::pieces(fuzz::view(data + 1, size - 1), std::size(kFiles));
  std::string manifest(files[1]);
  if (data[0] % 2 == 0) manifest = manifest_of(files, Table{{"mode", "fuzz"}, {"step", 1}});
  scratch.write("manifest.json", manifest);
  for (size_t i = 0; i < files.size(); ++i) scratch.write(kFiles[i], files[i]);
  fuzz::accepts([&] { load_checkpoint(scratch.path()); });
  fuzz::accepts([&] { load_checkpoint(scratch.path(), CheckpointParts::kModel); });
  fuzz::accepts([&] { checkpoint_config(scratch.path()); });
  checkpoint_damage(scratch.path());
  return 0;
}
