// How far the opening of the CUDA libraries comes and what it says, on machines with and without a
// GPU.
#include "core/tensor/cuda_runtime.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "core/base/error.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using rmkv::CudaProbe;
using rmkv::probe_cuda;

namespace {

// fake_cuda_driver.c is built beside this program.
std::string fake_driver(int init_result, int gpus) {
  setenv("RMKV_FAKE_CUINIT", std::to_string(init_result).c_str(), 1);
  setenv("RMKV_FAKE_GPUS", std::to_string(gpus).c_str(), 1);
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  REQUIRE(length > 0);
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/')) + "/libfake_cuda_driver.so";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("cuda: without a driver the reason names the library") {
  const CudaProbe probe = probe_cuda({"libno_such_driver.so.1", "libno_such_torch.so"});
  CHECK_FALSE(probe.available);
  CHECK(contains(probe.why, "no NVIDIA driver"));
  CHECK(contains(probe.why, "libno_such_driver.so.1"));
  CHECK(contains(probe.hint, "--device cpu"));
}

TEST_CASE("cuda: a library that is no driver is refused, not called") {
  const CudaProbe probe = probe_cuda({"libm.so.6", "libno_such_torch.so"});
  CHECK_FALSE(probe.available);
  CHECK(probe.why == "libm.so.6 is not a CUDA driver (no cuInit)");
}

TEST_CASE("cuda: a driver without a GPU, and one that does not start") {
  CudaProbe probe = probe_cuda({fake_driver(0, 0), "libno_such_torch.so"});
  CHECK_FALSE(probe.available);
  CHECK(probe.why == "the NVIDIA driver shows no GPU");
  probe = probe_cuda({fake_driver(100, 0), "libno_such_torch.so"});
  CHECK(probe.why == "the NVIDIA driver shows no GPU");
  probe = probe_cuda({fake_driver(803, 0), "libno_such_torch.so"});
  CHECK(probe.why == "the NVIDIA driver does not start (CUDA error 803)");
  CHECK(contains(probe.hint, "restart"));
}

TEST_CASE("cuda: with a GPU, a LibTorch library that does not load is named") {
  const CudaProbe probe = probe_cuda({fake_driver(0, 2), "libno_such_torch.so"});
  CHECK_FALSE(probe.available);
  CHECK(probe.device_count == 2);
  CHECK(contains(probe.why, "LibTorch's CUDA library does not load"));
  CHECK(contains(probe.why, "libno_such_torch.so"));
}

TEST_CASE("cuda: with a GPU, a LibTorch library that does not register is refused") {
  if (at::hasCUDA()) {
    WARN("SKIPPED: LibTorch's CUDA side is already registered in this process");
    return;
  }
  const CudaProbe probe = probe_cuda({fake_driver(0, 1), "libm.so.6"});
  CHECK_FALSE(probe.available);
  CHECK(contains(probe.why, "did not register"));
}

TEST_CASE("cuda: a missing dependency leads to the package that brings it") {
  const std::string tail = ": cannot open shared object file: No such file or directory";
  CHECK(
      contains(rmkv::missing_library_hint("libcusparseLt.so.0" + tail), "nvidia-cusparselt-cu13"));
  CHECK(
      contains(rmkv::missing_library_hint("libcusparse.so.12" + tail), "package nvidia-cusparse"));
  CHECK_FALSE(contains(rmkv::missing_library_hint("libcusparse.so.12" + tail), "cusparselt"));
  CHECK(contains(rmkv::missing_library_hint("libnvshmem_host.so.3" + tail), "nvidia-nvshmem-cu13"));
  CHECK(contains(rmkv::missing_library_hint("libtorch_cuda.so" + tail), "CPU build"));
  CHECK(rmkv::missing_library_hint("libno_such.so" + tail).empty());
}

TEST_CASE("cuda: asking for a GPU works or raises the reason") {
  std::string why;
  if (rmkv::cuda_available(&why)) {
    CHECK(why.empty());
    CHECK_NOTHROW(rmkv::ensure_cuda());
    CHECK(at::hasCUDA());
  } else {
    REQUIRE_FALSE(why.empty());
    try {
      rmkv::ensure_cuda();
      FAIL("ensure_cuda returned without a GPU");
    } catch (const rmkv::Error& error) {
      CHECK(contains(error.what(), "cuda: got " + why + ", expected a usable GPU"));
    }
  }
}

TEST_CASE("cuda: a small computation on the GPU", "[cuda]") {
  std::string why;
  if (!rmkv::cuda_available(&why)) {
    WARN("SKIPPED: " << why);
    return;
  }
  // fp32 [2, 3] times fp32 [3, 2]
  const at::Tensor a = at::arange(6, at::kFloat).view({2, 3});
  const at::Tensor product = at::mm(a.to(at::kCUDA), a.t().to(at::kCUDA)).cpu();
  CHECK(at::equal(product, at::mm(a, a.t())));
}
