// Fuzz target: .pth archives, and the pickles and archives inside alone, give an Error or tensors
// and the weights of a model, nothing else.
//
// Checksums of an archive would keep mutations away from what stands behind them: they are not
// checked here (tests/checkpoint/test_zip_reader.cpp does).
#include "core/checkpoint/pickle.h"
#include "core/checkpoint/pt_reader.h"
#include "core/checkpoint/zip_reader.h"
#include "tests/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  const std::string_view bytes = fuzz::view(data, size);
  fuzz::accepts([&] { parse_pickle(bytes, "fuzz"); });
  fuzz::accepts([&] {
    for (const auto& [name, entry] : read_stored_zip(bytes, "fuzz", false)) {
      fuzz::touch(entry.data(), entry.size());
    }
  });
  fuzz::accepts([&] {
    for (const auto& [name, window] : describe_pt(bytes, "fuzz", false).tensors) window.copied();
  });
  fuzz::try_model_file(data, size, [](std::string_view whole) {
    return parse_pth_weights(whole, nullptr, "fuzz", /*check_crc=*/false);
  });
  return 0;
}
