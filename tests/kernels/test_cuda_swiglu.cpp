// The SwiGLU CUDA kernel: its shared arithmetic on the CPU, the library's refusals without a GPU,
// and the kernel itself where there is one.
#include <cmath>
#include <string>

#include "core/kernels/activation.h"
#include "core/kernels/cuda/activation.h"
#include "core/kernels/cuda/library.h"
#include "core/kernels/cuda/swiglu_math.h"
#include "core/tensor/cuda_runtime.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

namespace {

// The definition in fp64, written apart from the kernel's.
double reference(double gate, double up) {
  return gate / (1.0 + std::exp(-gate)) * up;
}

const float kGates[] = {-120.0f, -20.0f, -3.5f, -0.5f, 0.0f, 1e-4f, 0.7f, 2.0f, 15.0f, 120.0f};
const float kUps[] = {-3.0f, -0.25f, 0.0f, 1.0f, 4.5f};

}  // namespace

TEST_CASE("cuda swiglu: the shared arithmetic equals the definition") {
  for (const float gate : kGates) {
    for (const float up : kUps) {
      INFO("gate " << gate << " up " << up);
      CHECK(rmkv::cuda::swiglu(gate, up) ==
            Approx(reference(gate, up)).epsilon(1e-6).margin(1e-30));
    }
  }
}

TEST_CASE("cuda swiglu: the shared gradient equals central differences of the definition") {
  const double h = 1e-5;
  const float grad_out = 1.5f;
  for (const float gate : kGates) {
    for (const float up : kUps) {
      INFO("gate " << gate << " up " << up);
      const auto gradient = rmkv::cuda::swiglu_gradient(gate, up, grad_out);
      const double by_gate =
          (reference(gate + h, up) - reference(gate - h, up)) / (2 * h) * grad_out;
      const double by_up = (reference(gate, up + h) - reference(gate, up - h)) / (2 * h) * grad_out;
      CHECK(gradient.gate == Approx(by_gate).epsilon(1e-5).margin(1e-6));
      CHECK(gradient.up == Approx(by_up).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("cuda library: one that is absent or foreign gives a reason") {
  std::string why;
  CHECK(rmkv::open_cuda_kernels("/no/such/librmkv_cuda.so", &why) == nullptr);
  CHECK(why.find("/no/such/librmkv_cuda.so") != std::string::npos);
  CHECK(rmkv::open_cuda_kernels("libm.so.6", &why) == nullptr);
  CHECK(why == "libm.so.6 is not rmkv's CUDA library (no rmkv_cuda_get_kernels)");
}

TEST_CASE("cuda library: opens without a GPU and refuses what it cannot do") {
  std::string why;
  const rmkv_cuda_kernels* kernels = rmkv::cuda_kernels(&why);
  if (kernels == nullptr) {
    WARN("SKIPPED: " << why);
    return;
  }
  CHECK(why.empty());
  // Nothing to do succeeds, a dtype or size outside the contract is cudaErrorInvalidValue (1);
  // neither launches.
  CHECK(kernels->swiglu_forward(nullptr, nullptr, 0, 8, RMKV_CUDA_FP32, nullptr) == 0);
  CHECK(kernels->swiglu_forward(nullptr, nullptr, 2, 8, 99, nullptr) == 1);
  CHECK(kernels->swiglu_backward(nullptr, nullptr, nullptr, -1, 8, RMKV_CUDA_BF16, nullptr) == 1);
  CHECK(std::string(kernels->error_name(1)) == "invalid argument");
}

TEST_CASE("cuda swiglu: the operation on a GPU equals the one on the CPU in fp64", "[cuda]") {
  std::string why;
  if (rmkv::cuda_kernels(&why) == nullptr || !rmkv::cuda_available(&why)) {
    WARN("SKIPPED: " << why);
    return;
  }
  at::manual_seed(7);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const double tolerance = dtype == at::kFloat ? 1e-5 : 2e-2;
    const int64_t N = 37, F = 129;  // odd sizes: the last block is partly empty
    const at::Tensor in = at::randn({N, 2 * F}, at::kDouble).to(dtype);
    const at::Tensor grad_out = at::randn({N, F}, at::kDouble).to(dtype);
    const at::Tensor on_gpu = in.to(at::kCUDA).requires_grad_(true);
    const at::Tensor on_cpu = in.to(at::kDouble).requires_grad_(true);
    REQUIRE(rmkv::kernels::cuda::has_fused_form(on_gpu));
    const at::Tensor out = rmkv::kernels::swiglu(on_gpu), expected = rmkv::kernels::swiglu(on_cpu);
    out.backward(grad_out.to(at::kCUDA));
    expected.backward(grad_out.to(at::kDouble));
    CHECK(at::allclose(out.cpu().to(at::kDouble), expected, tolerance, tolerance));
    CHECK(at::allclose(on_gpu.grad().cpu().to(at::kDouble), on_cpu.grad(), tolerance, tolerance));
  }
}

TEST_CASE("cuda swiglu: CPU tensors do not take the CUDA form") {
  CHECK_FALSE(rmkv::kernels::cuda::has_fused_form(at::ones({2, 4})));
}
