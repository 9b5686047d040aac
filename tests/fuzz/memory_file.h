// A file of core/data that is memory alone, and a pass over all documents of a source.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/byte_file.h"
#include "core/data/line_source.h"
#include "core/data/source.h"

namespace rmkv::fuzz {

class MemoryFile : public ByteFile {
 public:
  MemoryFile(const std::string& name, std::string_view content)
      : ByteFile(name), content_(content) {
    size_bytes_ = content.size();
  }
  size_t read_some(uint64_t begin, char* target, size_t length) const override {
    if (begin >= content_.size()) return 0;
    length = std::min<uint64_t>(length, content_.size() - begin);
    std::memcpy(target, content_.data() + begin, length);
    return length;
  }

 private:
  std::string_view content_;
};

inline std::vector<SourceFile> memory_files(const std::string& name, std::string_view content) {
  return {{std::make_shared<MemoryFile>(name, content), name}};
}

// The first documents of a source; a bad one is told and passed over, as streams do.
inline void read_documents(const DocumentSource& source) {
  int count = 0;
  for (auto id = source.first_from(0); id && count < 64; id = source.first_from(*id + 1), ++count) {
    try {
      const Document document = source.document(*id);
      size_t place = 0;
      for (const LossSpan& span : document.loss_spans) {
        if (span.begin < place || span.end < span.begin || span.end > document.text.size()) {
          __builtin_trap();
        }
        place = span.end;
      }
      source.document_key(*id);
    } catch (const BadDocument&) {
    }
  }
}

}  // namespace rmkv::fuzz
