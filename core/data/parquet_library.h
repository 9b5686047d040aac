// Opens librmkv_parquet.so the first time parquet is read (plugin.h says what it offers).
#pragma once

#include "core/data/parquet/plugin.h"

namespace rmkv {

// Throws with the reason and the next step when the library is missing or does not fit.
const rmkv_parquet_api& parquet_library();

}  // namespace rmkv
