// Opening the CUDA libraries: the driver, then LibTorch's CUDA back end.  See the header for the
// contract.
#include "core/tensor/cuda_runtime.h"

#include <dlfcn.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

std::string loader_error() {
  const char* text = dlerror();
  return text != nullptr ? text : "unknown loader error";
}

// The driver is asked directly: LibTorch's own answer is a bare count of zero without a reason.
bool open_driver(const std::string& name, CudaProbe* probe) {
  void* driver = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) {
    probe->why = "no NVIDIA driver (" + loader_error() + ")";
    probe->hint = "install the NVIDIA driver, or use --device cpu";
    return false;
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  if (init == nullptr || count == nullptr) {
    probe->why = name + " is not a CUDA driver (no cuInit)";
    return false;
  }
  int result = init(0);
  if (result == 0) result = count(&probe->device_count);
  // CUresult 100 is CUDA_ERROR_NO_DEVICE, 803 CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (cuda.h).
  if (result == 100 || (result == 0 && probe->device_count == 0)) {
    probe->why = "the NVIDIA driver shows no GPU";
    probe->hint = "look at nvidia-smi and at CUDA_VISIBLE_DEVICES";
    return false;
  }
  if (result != 0) {
    probe->why = "the NVIDIA driver does not start (CUDA error " + std::to_string(result) + ")";
    probe->hint = result == 803
                      ? "the driver's library and kernel module differ: restart the machine"
                      : "look at nvidia-smi";
    return false;
  }
  return true;
}

bool open_torch(const std::string& name, CudaProbe* probe) {
  // RTLD_GLOBAL: LibTorch opens further libraries by name and expects these symbols to be visible.
  if (dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const std::string text = loader_error();
    probe->why = "LibTorch's CUDA library does not load (" + text + ")";
    probe->hint = missing_library_hint(text);
    return false;
  }
  // A CPU build of LibTorch, or a second copy, would load but not register with this one.
  if (!at::CUDAHooksRegistry()->Has("CUDAHooks")) {
    probe->why = name + " loaded but did not register with this LibTorch";
    probe->hint = "RMKV_TORCH must name one complete LibTorch of one version";
    return false;
  }
  if (!at::hasCUDA()) {
    probe->why = "LibTorch's CUDA runtime cannot use the GPU the driver shows";
    probe->hint = "CUDA 13 needs driver 580 or newer (nvidia-smi shows yours)";
    return false;
  }
  return true;
}

}  // namespace

CudaProbe probe_cuda(const CudaLibraries& libraries) {
  CudaProbe probe;
  // Must stand before any CUDA library starts: halves the memory of a context (pytorch/pytorch
  // issue 86509).
  setenv("CUDA_MODULE_LOADING", "LAZY", 0);
  if (!open_driver(libraries.driver, &probe)) return probe;
  if (!open_torch(libraries.torch, &probe)) return probe;
  probe.available = true;
  return probe;
}

const CudaProbe& cuda_probe() {
  static const CudaProbe probe = probe_cuda(CudaLibraries());
  return probe;
}

bool cuda_available(std::string* why) {
  const CudaProbe& probe = cuda_probe();
  if (why != nullptr) *why = probe.why;
  return probe.available;
}

void ensure_cuda() {
  const CudaProbe& probe = cuda_probe();
  if (!probe.available) fail("cuda", probe.why, "a usable GPU", probe.hint);
}

std::string missing_library_hint(const std::string& text) {
  // What libtorch_cuda.so 2.11.0 needs (readelf -d) and the PyPI package that brings it.
  static const std::vector<std::pair<std::string, std::string>> kPackages = {
      {"libcublas", "nvidia-cublas"},
      {"libcudart", "nvidia-cuda-runtime"},
      {"libcudnn", "nvidia-cudnn-cu13"},
      {"libcufft", "nvidia-cufft"},
      {"libcufile", "nvidia-cufile"},
      {"libcupti", "nvidia-cuda-cupti"},
      {"libcurand", "nvidia-curand"},
      {"libcusolver", "nvidia-cusolver"},
      // Before libcusparse, which is a prefix of it.
      {"libcusparseLt", "nvidia-cusparselt-cu13"},
      {"libcusparse", "nvidia-cusparse"},
      {"libnccl", "nvidia-nccl-cu13"},
      {"libnvJitLink", "nvidia-nvjitlink"},
      {"libnvrtc", "nvidia-cuda-nvrtc"},
      {"libnvshmem", "nvidia-nvshmem-cu13"},
      {"libtorch_cuda", "torch (this LibTorch is a CPU build)"},
  };
  for (const auto& [library, package] : kPackages) {
    if (text.rfind(library, 0) == 0) {
      return "run scripts/setup --cuda, which fetches what is missing; this library is in the "
             "package " +
             package;
    }
  }
  return "";
}

}  // namespace rmkv
