// See wkv.h.
#include "core/kernels/cuda/wkv.h"

#include <c10/core/DeviceGuard.h>

#include "core/kernels/cuda/launch.h"
#include "core/kernels/cuda/library.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::cuda {
namespace {

constexpr const char* kWhere = "wkv on cuda";

int64_t chunk_count(int64_t tokens) {
  return (tokens + RMKV_CUDA_WKV_CHUNK - 1) / RMKV_CUDA_WKV_CHUNK;
}

const void* rows_of(const Tensor& x) {
  return x.defined() ? x.const_data_ptr() : nullptr;
}
const float* floats_of(const Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}
const uint8_t* bytes_of(const Tensor& x) {
  return x.defined() ? x.const_data_ptr<uint8_t>() : nullptr;
}
void* rows_to(const Tensor& x) {
  return x.defined() ? x.mutable_data_ptr() : nullptr;
}
float* floats_to(const Tensor& x) {
  return x.defined() ? x.mutable_data_ptr<float>() : nullptr;
}

rmkv_cuda_wkv4 call_of(const Tensor& key, const Tensor& value, const Tensor& decay,
                       const Tensor& bonus, const Tensor& state, const Tensor& marks) {
  rmkv_cuda_wkv4 call = {};
  call.B = key.size(0);
  call.T = key.size(1);
  call.H = key.size(2);
  call.dtype = dtype_code(key);
  call.key = rows_of(key);
  call.value = rows_of(value);
  call.decay = floats_of(decay);
  call.bonus = floats_of(bonus);
  call.initial = floats_of(state);
  call.marks = bytes_of(marks);
  return call;
}

rmkv_cuda_wkv call_of(const WkvTensors& in) {
  rmkv_cuda_wkv call = {};
  call.B = in.key.size(0);
  call.T = in.key.size(1);
  call.H = in.key.size(2);
  call.N = in.key.size(3);
  call.dtype = dtype_code(in.key);
  call.constant_decay = in.decay.dim() == 2;
  call.receptance = rows_of(in.receptance);
  call.key = rows_of(in.key);
  call.value = rows_of(in.value);
  call.removal = rows_of(in.removal);
  call.replacement = rows_of(in.replacement);
  call.decay = floats_of(in.decay);
  call.bonus = floats_of(in.bonus);
  call.initial = floats_of(in.state);
  call.reset = floats_of(in.reset);
  call.marks = bytes_of(in.marks);
  return call;
}

}  // namespace

bool has_wkv_form(const Tensor& rows, int64_t head_size) {
  return rows.is_cuda() &&
         (rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kBFloat16) &&
         (head_size == 16 || head_size == 32 || head_size == 64) && cuda_kernels() != nullptr;
}

Tensor wkv4_forward(const Tensor& key, const Tensor& value, const Tensor& decay,
                    const Tensor& bonus, const Tensor& state, const Tensor& marks,
                    const Tensor& out, const Tensor& final, bool training) {
  const c10::DeviceGuard device(key.device());
  rmkv_cuda_wkv4 call = call_of(key, value, decay, bonus, state, marks);
  Tensor kept;
  if (training) kept = at::empty({call.B, chunk_count(call.T), 3, call.H}, state.options());
  call.out = rows_to(out);
  call.final = floats_to(final);
  call.kept = floats_to(kept);
  check_launch(cuda_kernels()->wkv4_forward(&call, current_stream(key)), kWhere);
  return kept;
}

void wkv4_backward(const std::vector<Tensor>& saved, const Tensor& grad_out,
                   const Tensor& grad_final, const std::vector<Tensor>& grads) {
  const c10::DeviceGuard device(grad_out.device());
  rmkv_cuda_wkv4 call = call_of(saved[0], saved[1], saved[2], saved[3], saved[4], saved[5]);
  call.final = floats_to(saved[6]);
  call.kept = floats_to(saved[7]);
  call.grad_out = rows_of(grad_out);
  call.grad_final = floats_of(grad_final);
  call.grad_key = rows_to(grads[0]);
  call.grad_value = rows_to(grads[1]);
  call.grad_decay = floats_to(grads[2]);
  call.grad_bonus = floats_to(grads[3]);
  call.grad_initial = floats_to(grads[4]);
  check_launch(cuda_kernels()->wkv4_backward(&call, current_stream(grad_out)), kWhere);
}

Tensor wkv_forward(const WkvTensors& in, const Tensor& out, const Tensor& final, bool training) {
  const c10::DeviceGuard device(out.device());
  rmkv_cuda_wkv call = call_of(in);
  Tensor kept;
  if (training) {
    kept = at::empty({call.B, call.H, chunk_count(call.T), call.N, call.N}, final.options());
  }
  call.out = rows_to(out);
  call.final = floats_to(final);
  call.kept = floats_to(kept);
  const auto* kernels = cuda_kernels();
  const auto launch = in.removal.defined() ? kernels->wkv7_forward : kernels->wkv_forward;
  check_launch(launch(&call, current_stream(out)), kWhere);
  return kept;
}

void wkv_backward(const WkvTensors& in, const Tensor& kept, const Tensor& grad_out,
                  const Tensor& grad_final, const WkvTensors& grads) {
  const c10::DeviceGuard device(grad_out.device());
  rmkv_cuda_wkv call = call_of(in);
  const Tensor scratch =
      at::empty({call.B, call.H, RMKV_CUDA_WKV_CHUNK + 1, call.N, call.N}, kept.options());
  call.kept = floats_to(kept);
  call.scratch = floats_to(scratch);
  call.grad_out = rows_of(grad_out);
  call.grad_final = floats_of(grad_final);
  call.grad_receptance = rows_to(grads.receptance);
  call.grad_key = rows_to(grads.key);
  call.grad_value = rows_to(grads.value);
  call.grad_removal = rows_to(grads.removal);
  call.grad_replacement = rows_to(grads.replacement);
  call.grad_decay = floats_to(grads.decay);
  call.grad_bonus = floats_to(grads.bonus);
  call.grad_initial = floats_to(grads.state);
  call.grad_reset = floats_to(grads.reset);
  const auto* kernels = cuda_kernels();
  const auto launch = in.removal.defined() ? kernels->wkv7_backward : kernels->wkv_backward;
  check_launch(launch(&call, current_stream(grad_out)), kWhere);
}

}  // namespace rmkv::kernels::cuda
