// Opening librmkv_cuda.so; see the header for the contract.
#include "core/kernels/cuda/library.h"

#include <dlfcn.h>
#include <unistd.h>

namespace rmkv {
namespace {

// The folder of the running program, with a trailing slash; "" when /proc is not there.
std::string program_folder() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || length == static_cast<ssize_t>(sizeof path)) return "";
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/') + 1);
}

struct Opened {
  std::string why;
  const rmkv_cuda_kernels* kernels;
};

}  // namespace

const rmkv_cuda_kernels* open_cuda_kernels(const std::string& path, std::string* why) {
  const std::string file = path.empty() ? program_folder() + "../lib/rmkv/librmkv_cuda.so" : path;
  std::string reason;
  const rmkv_cuda_kernels* kernels = nullptr;
  if (void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL); library == nullptr) {
    reason = std::string("rmkv's CUDA library does not load (") + dlerror() + ")";
  } else if (const auto get = reinterpret_cast<decltype(&rmkv_cuda_get_kernels)>(
                 dlsym(library, "rmkv_cuda_get_kernels"));
             get == nullptr) {
    reason = file + " is not rmkv's CUDA library (no rmkv_cuda_get_kernels)";
  } else if (get()->version != RMKV_CUDA_VERSION) {
    reason = file + ": got interface version " + std::to_string(get()->version) + ", expected " +
             std::to_string(RMKV_CUDA_VERSION);
  } else {
    kernels = get();
  }
  if (why != nullptr) *why = reason;
  return kernels;
}

const rmkv_cuda_kernels* cuda_kernels(std::string* why) {
  static const Opened opened = [] {
    Opened result;
    result.kernels = open_cuda_kernels("", &result.why);
    return result;
  }();
  if (why != nullptr) *why = opened.why;
  return opened.kernels;
}

}  // namespace rmkv
