// What all sources share.
#include "core/data/source.h"

#include "core/base/file.h"
#include "core/base/json.h"

namespace rmkv {

std::string DocumentSource::fingerprint() const {
  return content_hash(write_json(manifest()));
}

}  // namespace rmkv
