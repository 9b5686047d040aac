// From a path to a source: the one place that knows which file is read how.
#pragma once

#include <string>

#include "core/data/source.h"

namespace rmkv {

// A file: .jsonl and .ndjson are JSON lines, everything else text.  A folder (searched through,
// hidden names left out, sorted): its .txt, .md and .text files, or its .jsonl and .ndjson files.
// `options` is closed: the fields of TextSourceOptions or JsonlOptions, and `name` (default: the
// last part of the path). Throws when nothing is there, nothing fits, or all is empty.
SourcePtr open_source(const std::string& path, const Table& options = {});

}  // namespace rmkv
