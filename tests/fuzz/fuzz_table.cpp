// Fuzz target: CSV and TSV tables and texts of paragraphs and pieces as documents.
#include "core/data/text_source.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  const std::string_view text = fuzz::view(data, size);
  for (const LineFormat format : {LineFormat::kCsv, LineFormat::kTsv, LineFormat::kParagraphs}) {
    fuzz::accepts([&] {
      fuzz::read_documents(
          LineSource("fuzz", fuzz::memory_files("fuzz.csv", text), {.format = format}));
    });
    LineOptions named{.format = format, .header = {"a", "text"}};
    fuzz::accepts([&] {
      fuzz::read_documents(LineSource("fuzz", fuzz::memory_files("fuzz.csv", text), named));
    });
  }
  fuzz::accepts([&] {
    const TextSource source("fuzz", fuzz::memory_files("fuzz.txt", text), {.document_bytes = 16});
    std::string all;
    for (uint64_t id = 0; id < source.document_count(); ++id) all += source.document(id).text;
    if (all != text) __builtin_trap();
  });
  return 0;
}
