// Names of dtypes and devices, shape checks, thread count.
#include <sys/resource.h>

#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("dtypes have one name both ways") {
  for (const char* name : {"fp32", "bf16", "fp16", "fp64", "int64", "int32", "uint8", "bool"}) {
    CHECK(dtype_name(parse_dtype(name)) == name);
  }
  CHECK_THROWS_WITH(parse_dtype("fp23"), Contains("did you mean 'fp32'"));
}

TEST_CASE("devices are cpu, cuda or cuda with a number") {
  CHECK(parse_device("cpu") == at::Device(at::kCPU));
  for (const char* name :
       {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cudax", "cuda:99999", "cpu:0"}) {
    INFO(name);
    CHECK_THROWS_WITH(parse_device(name), Contains("expected cpu, cuda or cuda:N"));
  }
}

TEST_CASE("tensors and shapes have a text") {
  CHECK(tensor_text(at::zeros({2, 3})) == "fp32 [2, 3] cpu");
  CHECK(tensor_text(at::zeros({}, at::kBool)) == "bool [] cpu");
  CHECK(tensor_text(Tensor()) == "no tensor");
}

TEST_CASE("a shape check names letters and sizes") {
  Tensor x = at::zeros({2, 3});
  CHECK_NOTHROW(check_shape(x, "f", {2, 3}, "BT"));
  CHECK_NOTHROW(check_shape(x, "f", {-1, 3}, "BT"));
  CHECK_THROWS_WITH(check_shape(x, "f", {-1, 4}, "BT"),
                    "f: got fp32 [2, 3] cpu, expected [B, T=4]");
  CHECK_THROWS_WITH(check_shape(x, "f", {2}, "B"), Contains("expected [B=2]"));
  CHECK_THROWS_WITH(check_shape(Tensor(), "f", {2}, "B"), Contains("no tensor"));
}

TEST_CASE("the thread count is set within limits") {
  int64_t before = thread_count();
  set_thread_count(1);
  CHECK(thread_count() == 1);
  CHECK_THROWS_AS(set_thread_count(0), Error);
  CHECK_THROWS_AS(set_thread_count(100000), Error);
  set_thread_count(before);
}

TEST_CASE("the tuned allocator keeps freed blocks") {
#ifdef __SANITIZE_ADDRESS__
  WARN("SKIPPED: the address sanitizer has an allocator of its own");
  return;
#endif
  tune_allocator();
  auto page_faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  constexpr int64_t kElements =
      8 << 20;  // 32 MiB: 8,192 pages, far above any threshold for mapping
  at::ones({kElements});
  auto before = page_faults();
  for (int round = 0; round < 16; ++round) at::ones({kElements});
  // A block that is mapped anew touches each of its pages for the first time: 16 rounds would be 16
  // x 8,192 faults. A kept heap settles after one or two places.
  CHECK(page_faults() - before < 4 * 8192);
}
