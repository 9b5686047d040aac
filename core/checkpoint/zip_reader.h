// Reads the stored (uncompressed) entries of a zip archive held in memory: the container of
// torch.save.
//
// Only what torch writes: one disk, method 0, zip64 where sizes need it.  Offsets and sizes are
// checked against the file, entries may not overlap, names may not repeat.  APPNOTE.TXT 6.3.10,
// sections 4.3.7 to 4.3.16.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace rmkv {

// Entry name -> its bytes (views into `archive`).  CRC-32 of every entry is checked when
// `check_crc`.
std::map<std::string, std::string_view> read_stored_zip(std::string_view archive,
                                                        const std::string& name,
                                                        bool check_crc = true);

}  // namespace rmkv
