// The CUDA recurrences: what their threads compute, run thread by thread on the CPU against the
// fp64 form; and the kernels themselves where there is a GPU.
#include "core/kernels/cuda/library.h"
#include "core/kernels/cuda/wkv_math.h"
#include "core/kernels/wkv.h"
#include "core/tensor/cuda_runtime.h"
#include "tests/kernels/compare.h"

using namespace rmkv;

namespace {

constexpr int kN = 16, kTokens = 11;

using Row = float[kN];
using Matrix = float[kN][kN];

// Rows [1, T, 1, N] as arrays.
struct Rows {
  explicit Rows(const Tensor& x) {
    const Tensor flat = x.to(at::kFloat).contiguous();
    std::copy_n(flat.const_data_ptr<float>(), kTokens * kN, &data[0][0]);
  }
  Rows() = default;
  Row data[kTokens] = {};
  Tensor tensor() const {
    return at::from_blob(const_cast<float*>(&data[0][0]), {1, kTokens, 1, kN}, at::kFloat).clone();
  }
};

Tensor as_tensor(const Matrix& m) {
  return at::from_blob(const_cast<float*>(&m[0][0]), {1, 1, kN, kN}, at::kFloat).clone();
}
void copy_to(const Tensor& x, Matrix& m) {
  const Tensor flat = x.to(at::kFloat).contiguous();
  std::copy_n(flat.const_data_ptr<float>(), kN * kN, &m[0][0]);
}

std::vector<Tensor> leaves(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs) {
    result.push_back(x.to(at::kFloat).to(at::kDouble).requires_grad_(true));
  }
  return result;
}

void check_near(const char* what, const Tensor& given, const Tensor& expected) {
  INFO(what);
  CHECK(relative_difference(given, expected) < 1e-5);
}

const std::vector<int64_t> kShape = {1, kTokens, 1, kN};

}  // namespace

TEST_CASE("cuda wkv: the threads of a head compute the recurrence and its gradients") {
  const auto in = leaves({random_tensor(kShape, 1), random_tensor(kShape, 2),
                          random_tensor(kShape, 3), random_tensor(kShape, 4).sigmoid(),
                          random_tensor({1, kN}, 5), random_tensor({1, 1, kN, kN}, 6)});
  const auto [y, last] = kernels::wkv(in[0], in[1], in[2], in[3], in[4], in[5]);
  const Tensor dy = random_tensor(kShape, 7), dlast = random_tensor({1, 1, kN, kN}, 8);
  ((y * dy).sum() + (last * dlast).sum()).backward();

  const Rows r(in[0].detach()), k(in[1].detach()), v(in[2].detach()), w(in[3].detach()), g(dy);
  float u[kN];
  for (int n = 0; n < kN; ++n) u[n] = in[4][0][n].item<float>();
  Matrix columns, rows, states[kTokens];  // columns[t][i] = S[i][t]; rows[t][j] = S[t][j]
  copy_to(in[5].detach(), rows);
  copy_to(in[5].detach().transpose(2, 3), columns);
  Rows out, dr, dk, dv, dw;
  for (int t = 0; t < kTokens; ++t) {
    std::copy_n(&rows[0][0], kN * kN, &states[t][0][0]);
    for (int n = 0; n < kN; ++n) {
      out.data[t][n] =
          cuda::wkv_forward_step<kN>(columns[n], r.data[t], k.data[t], w.data[t], u, v.data[t][n]);
      cuda::wkv_key_step<kN>(rows[n], k.data[t][n], w.data[t][n], v.data[t]);
    }
  }
  check_near("y", out.tensor(), y.detach());
  check_near("final by key", as_tensor(rows), last.detach());
  check_near("final by value", as_tensor(columns).transpose(2, 3), last.detach());
  Matrix of_value, of_key;
  copy_to(dlast, of_key);
  copy_to(dlast.transpose(2, 3), of_value);
  float du[kN] = {};
  for (int t = kTokens - 1; t >= 0; --t) {
    for (int n = 0; n < kN; ++n) {
      const auto d = cuda::wkv_backward_step<kN>(of_value[n], of_key[n], states[t][n], n, r.data[t],
                                                 k.data[t], v.data[t], w.data[t], u, g.data[t]);
      dr.data[t][n] = d.r;
      dk.data[t][n] = d.k;
      dv.data[t][n] = d.v;
      dw.data[t][n] = d.w;
      du[n] += d.u;
    }
  }
  check_near("dr", dr.tensor(), in[0].grad());
  check_near("dk", dk.tensor(), in[1].grad());
  check_near("dv", dv.tensor(), in[2].grad());
  check_near("dw", dw.tensor(), in[3].grad());
  check_near("du", at::from_blob(du, {1, kN}, at::kFloat), in[4].grad());
  check_near("dS by key", as_tensor(of_key), in[5].grad());
  check_near("dS by value", as_tensor(of_value).transpose(2, 3), in[5].grad());
}

TEST_CASE("cuda wkv7: the threads of a head compute the recurrence and its gradients") {
  const Tensor kappa = random_tensor(kShape, 5);
  const Tensor unit = kappa / kappa.norm(2, -1, true);
  const auto in =
      leaves({random_tensor(kShape, 1), random_tensor(kShape, 2).sigmoid(),
              random_tensor(kShape, 3), random_tensor(kShape, 4), -unit,
              unit * random_tensor(kShape, 6).sigmoid(), random_tensor({1, 1, kN, kN}, 7)});
  const auto [y, last] = kernels::wkv7({in[0], in[1], in[2], in[3], in[4], in[5]}, in[6]);
  const Tensor dy = random_tensor(kShape, 8), dlast = random_tensor({1, 1, kN, kN}, 9);
  ((y * dy).sum() + (last * dlast).sum()).backward();

  const Rows r(in[0].detach()), w(in[1].detach()), k(in[2].detach()), v(in[3].detach()),
      z(in[4].detach()), b(in[5].detach()), g(dy);
  Matrix S, states[kTokens + 1];  // S[t][j]
  copy_to(in[6].detach(), S);
  Rows out, reads, d[6];
  for (int t = 0; t < kTokens; ++t) {
    std::copy_n(&S[0][0], kN * kN, &states[t][0][0]);
    for (int n = 0; n < kN; ++n) {
      const auto step = cuda::wkv7_forward_step<kN>(S[n], r.data[t], w.data[t], k.data[t],
                                                    z.data[t], b.data[t], v.data[t][n]);
      out.data[t][n] = step.y;
      reads.data[t][n] = step.read;
    }
  }
  std::copy_n(&S[0][0], kN * kN, &states[kTokens][0][0]);
  check_near("y", out.tensor(), y.detach());
  check_near("final", as_tensor(S), last.detach());
  Matrix of_value, of_key;
  copy_to(dlast, of_value);
  copy_to(dlast.transpose(2, 3), of_key);
  for (int t = kTokens - 1; t >= 0; --t) {
    float d_reads[kN];
    for (int n = 0; n < kN; ++n) {
      const auto token = cuda::wkv7_backward_first<kN>(
          of_value[n], of_key[n], &states[t][0][n], &states[t + 1][0][n], kN, n, r.data[t],
          k.data[t], v.data[t], b.data[t], g.data[t], reads.data[t]);
      const float parts[] = {token.r, token.w, token.k, token.v, 0, token.b};
      for (int i = 0; i < 6; ++i) d[i].data[t][n] = parts[i];
      d_reads[n] = token.read;
    }
    for (int n = 0; n < kN; ++n) {
      d[4].data[t][n] = cuda::wkv7_backward_second<kN>(of_value[n], of_key[n], &states[t][0][n], kN,
                                                       n, w.data[t], z.data[t], d_reads);
    }
  }
  const char* names[] = {"dr", "dw", "dk", "dv", "dz", "db"};
  for (size_t i = 0; i < 6; ++i) check_near(names[i], d[i].tensor(), in[i].grad());
  check_near("dS by value", as_tensor(of_value), in[6].grad());
  check_near("dS by key", as_tensor(of_key).transpose(2, 3), in[6].grad());
}

TEST_CASE("cuda wkv4: a channel's thread computes the recurrence and its gradients") {
  const auto in = leaves({random_tensor({1, kTokens, 1}, 1), random_tensor({1, kTokens, 1}, 2),
                          -random_tensor({1}, 3).exp(), random_tensor({1}, 4),
                          random_tensor({1, 3, 1}, 5).abs()});
  const auto [y, last] = kernels::wkv4(in[0], in[1], in[2], in[3], in[4]);
  const Tensor dy = random_tensor({1, kTokens, 1}, 6), dlast = random_tensor({1, 3, 1}, 7);
  ((y * dy).sum() + (last * dlast).sum()).backward();

  const auto value = [](const Tensor& x, int64_t i) { return x.view(-1)[i].item<float>(); };
  const float w = value(in[2], 0), u = value(in[3], 0);
  cuda::Wkv4State s = {value(in[4], 0), value(in[4], 1), value(in[4], 2)}, states[kTokens];
  for (int t = 0; t < kTokens; ++t) {
    states[t] = s;
    CHECK(cuda::wkv4_output(s, u, value(in[0], t), value(in[1], t)) ==
          Approx(value(y.detach(), t)).epsilon(1e-5));
    s = cuda::wkv4_advance(s, w, value(in[0], t), value(in[1], t));
  }
  cuda::Wkv4Reverse d = {value(dlast, 0), value(dlast, 1), 0, 0, 0};
  d.exponent = value(dlast, 2) - s.a * d.a - s.b * d.b;
  for (int t = kTokens - 1; t >= 0; --t) {
    const auto token = cuda::wkv4_backward_step(states[t], w, u, value(in[0], t), value(in[1], t),
                                                value(dy, t), d);
    CHECK(token.k == Approx(value(in[0].grad(), t)).epsilon(1e-4).margin(1e-5));
    CHECK(token.v == Approx(value(in[1].grad(), t)).epsilon(1e-4).margin(1e-5));
  }
  CHECK(d.w == Approx(value(in[2].grad(), 0)).epsilon(1e-4).margin(1e-5));
  CHECK(d.u == Approx(value(in[3].grad(), 0)).epsilon(1e-4).margin(1e-5));
  CHECK(d.a == Approx(value(in[4].grad(), 0)).epsilon(1e-4).margin(1e-5));
  CHECK(d.b == Approx(value(in[4].grad(), 1)).epsilon(1e-4).margin(1e-5));
}

TEST_CASE("cuda recurrences: the kernels agree with the CPU", "[cuda]") {
  std::string why;
  if (!cuda_available(&why) || !cuda_kernels()) {
    WARN("SKIPPED: " << (why.empty() ? "the CUDA library was not built" : why));
    return;
  }
  const int64_t B = 2, T = 37, H = 2, N = 32;
  const std::vector<int64_t> shape = {B, T, H, N};
  Tensor marks = at::zeros({B, T}, at::kByte);
  marks[0][5] = kernels::kMarkReset;
  marks[1][20] = kernels::kMarkSkip;
  marks[1][33] = kernels::kMarkReset + kernels::kMarkSkip;
  const Tensor kappa = random_tensor(shape, 5);
  const Tensor unit = kappa / kappa.norm(2, -1, true);
  const std::vector<Tensor> rows = {random_tensor(shape, 1),
                                    random_tensor(shape, 2).sigmoid(),
                                    random_tensor(shape, 3),
                                    random_tensor(shape, 4),
                                    -unit,
                                    unit * random_tensor(shape, 6).sigmoid(),
                                    random_tensor({B, H, N, N}, 7),
                                    random_tensor({H, N, N}, 8),
                                    random_tensor({H, N}, 9)};
  const auto on = [&](const Operation& operation, at::Device device) {
    std::vector<Tensor> inputs;
    for (const Tensor& x : rows) {
      inputs.push_back(x.to(at::kFloat).to(device).requires_grad_(true));
    }
    Tensor total = at::zeros({}, at::kDouble);
    std::vector<Tensor> results;
    for (const Tensor& result : operation(inputs)) {
      results.push_back(result.detach().to(at::kCPU));
      total = total + (result.to(at::kCPU).to(at::kDouble) *
                       random_tensor(result.sizes().vec(), 50 + results.size()))
                          .sum();
    }
    total.backward();
    for (const Tensor& x : inputs) {
      results.push_back(x.grad().defined() ? x.grad().to(at::kCPU) : at::zeros({1}));
    }
    return results;
  };
  const Operation operations[] = {
      [&](const std::vector<Tensor>& x) {
        const auto [y, s] =
            kernels::wkv(x[0], x[2], x[3], x[1], x[8], x[6], x[7], marks.to(x[0].device()));
        return std::vector<Tensor>{y, s};
      },
      [&](const std::vector<Tensor>& x) {
        const auto [y, s] = kernels::wkv7({x[0], x[1], x[2], x[3], x[4], x[5]}, x[6], x[7],
                                          marks.to(x[0].device()));
        return std::vector<Tensor>{y, s};
      },
      [&](const std::vector<Tensor>& x) {
        const auto flat = [&](const Tensor& y) { return y.flatten(2); };
        const auto [y, s] =
            kernels::wkv4(flat(x[2]), flat(x[3]), -x[8].flatten().exp(), x[8].flatten(),
                          x[6].flatten(1).narrow(1, 0, 3 * H * N).abs().view({B, 3, H * N}),
                          marks.to(x[0].device()));
        return std::vector<Tensor>{y, s.clamp_min(-100)};
      }};
  for (const Operation& operation : operations) {
    const auto cpu = on(operation, at::kCPU), gpu = on(operation, parse_device("cuda"));
    for (size_t i = 0; i < cpu.size(); ++i) CHECK(relative_difference(gpu[i], cpu[i]) < 2e-5);
  }
}
