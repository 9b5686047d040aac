// Did the data change?  Cheap hashes of files, and a comparison that names what differs.
#pragma once

#include <string>
#include <vector>

#include "core/base/value.h"

namespace rmkv {

// {path = name, size, hash}.  Files up to 64 KiB are hashed whole, longer ones in 8 samples of 8
// KiB with first and last: an edit that keeps the size may be missed between samples, any change of
// length is found.
Table describe_file(const std::string& path, const std::string& relative_name);

// One line a difference: "books/alice.txt: missing", "books/alice.txt: size 10, was 12", ...
std::vector<std::string> manifest_differences(const Table& saved, const Table& current);

// Throws with the differences (the first ten) when there are any.
void require_same_data(const Table& saved, const Table& current);

}  // namespace rmkv
