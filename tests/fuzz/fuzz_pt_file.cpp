// libFuzzer target: .pt archives, and their pickles alone, give an Error or tensors, nothing else.
#include <cstdint>
#include <string_view>

#include "core/base/error.h"
#include "core/checkpoint/pickle.h"
#include "core/checkpoint/pt_file.h"
#include "core/checkpoint/zip_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The checksums of an archive would keep mutations away from what stands behind them.
  const auto attempt = [](auto parse) {
    try {
      parse();
    } catch (const rmkv::Error&) {
      // Refused, as most inputs are.
    }
  };
  attempt([&] { rmkv::parse_pt(bytes, "fuzz"); });
  attempt([&] { rmkv::parse_pickle(bytes, "fuzz"); });
  attempt([&] { rmkv::read_stored_zip(bytes, "fuzz", false); });
  return 0;
}
