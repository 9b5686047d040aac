// Names of dtypes and devices, texts for messages, and what is set once at program start.
#include "core/tensor/tensor.h"

#include <malloc.h>

#include "core/tensor/cuda_runtime.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

struct DtypeName {
  const char* name;
  at::ScalarType dtype;
};

constexpr DtypeName kDtypes[] = {
    {"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf},  {"fp64", at::kDouble},
    {"int64", at::kLong}, {"int32", at::kInt},     {"uint8", at::kByte}, {"bool", at::kBool},
};

}  // namespace

at::ScalarType parse_dtype(const std::string& name) {
  std::vector<std::string> names;
  for (const DtypeName& entry : kDtypes) {
    if (name == entry.name) return entry.dtype;
    names.push_back(entry.name);
  }
  fail_because("dtype", unknown_name_text("dtype", name, names));
}

std::string dtype_name(at::ScalarType dtype) {
  for (const DtypeName& entry : kDtypes) {
    if (dtype == entry.dtype) return entry.name;
  }
  return c10::toString(dtype);
}

at::Device parse_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  bool cuda = name.rfind("cuda", 0) == 0;
  std::string rest = cuda ? name.substr(4) : "";
  bool number = rest.size() > 1 && rest.size() < 5 && rest[0] == ':' &&
                rest.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!cuda || !(rest.empty() || number)) fail("device", "'" + name + "'", "cpu, cuda or cuda:N");
  ensure_cuda();
  return at::Device(at::kCUDA,
                    static_cast<at::DeviceIndex>(number ? std::stoi(rest.substr(1)) : 0));
}

std::string device_name(const at::Device& device) {
  return device.str();
}

std::string shape_text(const at::IntArrayRef& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string tensor_text(const Tensor& tensor) {
  if (!tensor.defined()) return "no tensor";
  return dtype_name(tensor.scalar_type()) + " " + shape_text(tensor.sizes()) + " " +
         device_name(tensor.device());
}

void check_shape(const Tensor& tensor, const std::string& where, std::vector<int64_t> expected,
                 const std::string& letters) {
  bool equal = tensor.defined() && tensor.dim() == static_cast<int64_t>(expected.size());
  for (size_t i = 0; equal && i < expected.size(); ++i) {
    equal = expected[i] == -1 || expected[i] == tensor.size(static_cast<int64_t>(i));
  }
  if (equal) return;
  std::string text = "[";
  for (size_t i = 0; i < expected.size(); ++i) {
    if (i) text += ", ";
    if (i < letters.size()) text += letters[i];
    if (expected[i] != -1) text += (i < letters.size() ? "=" : "") + std::to_string(expected[i]);
  }
  fail(where, tensor_text(tensor), text + "]");
}

void set_thread_count(int64_t threads) {
  if (threads < 1 || threads > 1024) fail("threads", std::to_string(threads), "1 .. 1024");
  at::set_num_threads(static_cast<int>(threads));
}

int64_t thread_count() {
  return at::get_num_threads();
}

void tune_allocator() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);                // large blocks come from the heap, which keeps them
  mallopt(M_TRIM_THRESHOLD, INT32_MAX);  // the heap's top is given back only beyond 2 GiB
  mallopt(M_TOP_PAD, 256 << 20);         // and grows in steps of 256 MiB
#endif
}

}  // namespace rmkv
