// dlopen once.
#include "core/data/parquet_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <string>

#include "core/base/error.h"

namespace rmkv {

namespace {

struct Opened {
  const rmkv_parquet_api* api = nullptr;
  std::string why;
};

Opened open_library() {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  std::string program(path, length > 0 ? static_cast<size_t>(length) : 0);
  std::string file = program.substr(0, program.rfind('/') + 1) + "../lib/rmkv/librmkv_parquet.so";
  Opened opened;
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    opened.why = dlerror();
    return opened;
  }
  auto get = reinterpret_cast<decltype(&rmkv_parquet_get)>(dlsym(library, "rmkv_parquet_get"));
  if (get == nullptr || get()->version != RMKV_PARQUET_VERSION) {
    opened.why = file + " is of another version";
  } else {
    opened.api = get();
  }
  return opened;
}

}  // namespace

const rmkv_parquet_api& parquet_library() {
  static const Opened opened = open_library();
  if (opened.api == nullptr) {
    fail_because("parquet", "the reader is not there: " + opened.why,
                 "run scripts/setup, which fetches Arrow (pyarrow), and build again");
  }
  return *opened.api;
}

}  // namespace rmkv
