// Fuzz target: parquet files through Arrow and our glue.
//
// Arrow itself is not instrumented; a fault inside it is found where it ends the process, hangs or
// takes memory.
#include "core/data/parquet_source.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  const std::string_view bytes = fuzz::view(data, size);
  for (const char* text : {"", "{a.b.0} {list} {x}"}) {
    RowOptions row;
    row.text = text;
    fuzz::accepts([&] {
      fuzz::read_documents(ParquetSource("fuzz", fuzz::memory_files("fuzz.parquet", bytes), row));
    });
  }
  return 0;
}
