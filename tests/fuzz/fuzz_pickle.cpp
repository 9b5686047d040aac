// Fuzz target: the pickle of a .pth in an archive that is whole, so that every input reaches the
// stack machine and the tensors it describes.
#include "core/checkpoint/pt_reader.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  // Storages of several sizes, for whatever the pickle says of them.
  static const std::vector<std::string> storages = {std::string(24, '\1'), std::string(4, '\2'),
                                                    std::string(64, '\3'), std::string(3072, '\4')};
  std::vector<ZipEntry> entries = {{"archive/data.pkl", std::string(fuzz::view(data, size))}};
  for (size_t i = 0; i < storages.size(); ++i) {
    entries.push_back({"archive/data/" + std::to_string(i), storages[i]});
  }
  const std::string archive = stored_zip(entries);
  fuzz::accepts([&] {
    for (const auto& [name, window] : describe_pt(archive, "fuzz", false).tensors) window.copied();
  });
  fuzz::try_model_file(reinterpret_cast<const uint8_t*>(archive.data()), archive.size(),
                       [](std::string_view bytes) {
                         return parse_pth_weights(bytes, nullptr, "fuzz", /*check_crc=*/false);
                       });
  return 0;
}
