// From a path to a source: the one place that knows which file is read how.
#pragma once

#include <string>

#include "core/data/source.h"

namespace rmkv {

// A file, a folder (searched through, hidden names left out, sorted; files of one kind), or a data
// set of the hub (hub_path.h).  By ending, behind which .gz or .zst may stand where it says so:
//   .txt .md .text (.gz, .zst)    text, and whatever has no known ending when named itself
//   .jsonl .ndjson (.gz, .zst)    JSON lines
//   .csv .tsv (.gz, .zst)         tables with a first line of names
//   .parquet                      tables
//   .bin with .idx beside         token ids of Megatron-LM;  .bin alone: of llm.c
//   .npy                          token ids
// `options` is closed: `name` (default: the last part of the path), `cache` (folder for restart
// points, downloads and scans), `filters` (a list, see FilterChain), `watch` and `journal` (a
// folder whose new files join, see watched_source.h), and what the kind of source reads
// (TextSourceOptions, RowOptions, header, TokenSourceOptions).  Throws when nothing is there,
// nothing fits, or all is empty.
SourcePtr open_source(const std::string& path, const Table& options = {});

}  // namespace rmkv
