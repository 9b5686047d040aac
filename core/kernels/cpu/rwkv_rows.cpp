// See rwkv_rows.h.
#include "core/kernels/cpu/rwkv_rows.h"

#include <cmath>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {
namespace {

const float kDecayScale = static_cast<float>(std::exp(-0.5));
constexpr float kSmallestNorm = 1e-12f;

// Calls fn(block, first row, end row) for the blocks of rows, over threads.
void for_row_blocks(int64_t rows, int64_t work,
                    const std::function<void(int64_t, int64_t, int64_t)>& fn) {
  const int64_t size = (rows + kRowBlocks - 1) / kRowBlocks;
  parallel_for(kRowBlocks, grain_of(size * work), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      fn(block, std::min(block * size, rows), std::min((block + 1) * size, rows));
    }
  });
}

void add_some(float* sums, Floats x, int64_t count) {
  store_some(sums, load_some(sums, count) + x, count);
}

Floats value_of(RowFunction function, Floats x) {
  switch (function) {
    case RowFunction::kTanh:
      return hyperbolic_tangent(x);
    case RowFunction::kSigmoid:
      return sigmoid(x);
    case RowFunction::kSilu:
      return x * sigmoid(x);
    case RowFunction::kReluSquared: {
      const Floats positive = maximum(x, Floats{});
      return positive * positive;
    }
    default:
      return exponential(-exponential(x));
  }
}

Floats slope_of(RowFunction function, Floats x) {
  switch (function) {
    case RowFunction::kTanh: {
      const Floats y = hyperbolic_tangent(x);
      return 1.0f - y * y;
    }
    case RowFunction::kSigmoid: {
      const Floats y = sigmoid(x);
      return y * (1.0f - y);
    }
    case RowFunction::kSilu: {
      const Floats y = sigmoid(x);
      return y * (1.0f + x * (1.0f - y));
    }
    case RowFunction::kReluSquared:
      return 2.0f * maximum(x, Floats{});
    default: {
      const Floats speed = exponential(x);
      return -speed * exponential(-speed);
    }
  }
}

}  // namespace

template <typename In, typename Out>
void function_forward(RowFunction function, int64_t rows, int64_t C, const In* x, const float* bias,
                      Out* out) {
  for_row_blocks(rows, 10 * C, [&](int64_t, int64_t first, int64_t end) {
    for (int64_t t = first; t < end; ++t) {
      for (int64_t c = 0; c < C; c += kLanes) {
        const int64_t count = C - c;
        Floats value = load_some(x + t * C + c, count);
        if (bias) value += load_some(bias + c, count);
        store_some(out + t * C + c, value_of(function, value), count);
      }
    }
  });
}

template <typename In, typename Out>
void function_backward(RowFunction function, int64_t rows, int64_t C, const In* x,
                       const float* bias, const Out* grad_out, In* grad_x, float* grad_bias) {
  for_row_blocks(rows, 12 * C, [&](int64_t block, int64_t first, int64_t end) {
    for (int64_t t = first; t < end; ++t) {
      for (int64_t c = 0; c < C; c += kLanes) {
        const int64_t count = C - c, at = t * C + c;
        Floats value = load_some(x + at, count);
        if (bias) value += load_some(bias + c, count);
        const Floats g = load_some(grad_out + at, count) * slope_of(function, value);
        store_some(grad_x + at, g, count);
        if (grad_bias) add_some(grad_bias + block * C + c, g, count);
      }
    }
  });
}

namespace {

// One vector of the operands and what their gradients need.
struct Operand {
  Floats key, rate, scaled, mixing;
};

template <typename T>
Operand operand_at(const OperandInputs<T>& in, int64_t at, int64_t c, int64_t count) {
  Operand x{};
  x.key = load_some(in.key + at, count);
  x.rate = sigmoid(load_some(in.rate_change + at, count) + load_some(in.rate_bias + c, count));
  x.scaled = x.key * load_some(in.removal_scale + c, count);
  if (in.value_change) {
    x.mixing =
        sigmoid(load_some(in.value_change + at, count) + load_some(in.value_bias + c, count));
  }
  return x;
}

// 1 over the norm of k k_k in one head.
template <typename T>
float inverse_norm(const OperandInputs<T>& in, int64_t at, int64_t c, int64_t N) {
  Floats sum{};
  for (int64_t i = 0; i < N; i += kLanes) {
    const Floats x = load_some(in.key + at + i, N - i) * load_some(in.removal_scale + c + i, N - i);
    sum += x * x;
  }
  return 1.0f / std::max(std::sqrt(sum_lanes(sum)), kSmallestNorm);
}

}  // namespace

template <typename T>
void operands_forward(const HeadShape& s, const OperandInputs<T>& in,
                      const OperandOutputs<T>& out) {
  const int64_t N = s.head_size, D = s.width();
  for_row_blocks(s.rows, 60 * D, [&](int64_t, int64_t first, int64_t end) {
    for (int64_t t = first; t < end; ++t) {
      for (int64_t head = 0; head < D; head += N) {
        const float inverse = inverse_norm(in, t * D + head, head, N);
        for (int64_t i = 0; i < N; i += kLanes) {
          const int64_t c = head + i, at = t * D + c, count = N - i;
          const Operand x = operand_at(in, at, c, count);
          const Floats kappa = x.scaled * inverse;
          const Floats speed =
              sigmoid(load_some(in.decay_change + at, count) + load_some(in.decay_bias + c, count));
          store_some(out.decay + at, exponential(-kDecayScale * speed), count);
          store_some(out.key + at,
                     x.key * (1.0f + (x.rate - 1.0f) * load_some(in.rate_scale + c, count)), count);
          store_some(out.removal + at, -kappa, count);
          store_some(out.replacement + at, kappa * x.rate, count);
          Floats value = load_some(in.value + at, count);
          if (in.value_change) {
            value += (load_some(in.first_value + at, count) - value) * x.mixing;
          }
          store_some(out.value + at, value, count);
        }
      }
    }
  });
}

template <typename T>
void operands_backward(const HeadShape& s, const OperandInputs<T>& in,
                       const OperandOutputGradients<T>& g, const OperandGradients<T>& d) {
  const int64_t N = s.head_size, D = s.width();
  for_row_blocks(s.rows, 120 * D, [&](int64_t block, int64_t first, int64_t end) {
    float* sums = d.parameters + block * 5 * D;
    for (int64_t t = first; t < end; ++t) {
      for (int64_t head = 0; head < D; head += N) {
        const int64_t row = t * D + head;
        const float inverse = inverse_norm(in, row, head, N);
        const auto for_kappa = [&](const Operand& x, int64_t at, int64_t count) {
          return load_some(g.replacement + at, count) * x.rate - load_some(g.removal + at, count);
        };
        Floats along{};  // kappa . dL/dkappa: what the normalisation takes away
        for (int64_t i = 0; i < N; i += kLanes) {
          const Operand x = operand_at(in, row + i, head + i, N - i);
          along += x.scaled * inverse * for_kappa(x, row + i, N - i);
        }
        const bool tiny = inverse >= 1.0f / kSmallestNorm;  // divided by a constant instead
        const float share = tiny ? 0.0f : sum_lanes(along);
        for (int64_t i = 0; i < N; i += kLanes) {
          const int64_t c = head + i, at = row + i, count = N - i;
          const Operand x = operand_at(in, at, c, count);
          const Floats kappa = x.scaled * inverse, scale = load_some(in.rate_scale + c, count);
          const Floats for_scaled = (for_kappa(x, at, count) - kappa * share) * inverse;
          const Floats for_key = load_some(g.key + at, count);
          const Floats for_rate =
              (load_some(g.replacement + at, count) * kappa + for_key * x.key * scale) * x.rate *
              (1.0f - x.rate);
          const Floats speed =
              sigmoid(load_some(in.decay_change + at, count) + load_some(in.decay_bias + c, count));
          const Floats for_decay = load_some(g.decay + at, count) * -kDecayScale *
                                   exponential(-kDecayScale * speed) * speed * (1.0f - speed);
          store_some(d.key + at,
                     for_key * (1.0f + (x.rate - 1.0f) * scale) +
                         for_scaled * load_some(in.removal_scale + c, count),
                     count);
          store_some(d.rate_change + at, for_rate, count);
          store_some(d.decay_change + at, for_decay, count);
          add_some(sums + c, for_decay, count);
          add_some(sums + D + c, for_rate, count);
          add_some(sums + 3 * D + c, for_scaled * x.key, count);
          add_some(sums + 4 * D + c, for_key * x.key * (x.rate - 1.0f), count);
          const Floats for_value = load_some(g.value + at, count);
          if (!in.value_change) {
            store_some(d.value + at, for_value, count);
            continue;
          }
          const Floats change =
              for_value *
              (load_some(in.first_value + at, count) - load_some(in.value + at, count)) * x.mixing *
              (1.0f - x.mixing);
          store_some(d.value + at, for_value * (1.0f - x.mixing), count);
          store_some(d.first_value + at, for_value * x.mixing, count);
          store_some(d.value_change + at, change, count);
          add_some(sums + 2 * D + c, change, count);
        }
      }
    }
  });
}

namespace {

struct HeadSums {
  float mean, inverse;  // of y
  float bonus;          // sum r k u
};

// Lanes beyond `count` must not count in a variance.
Floats centred(Floats x, float mean, int64_t count) {
  if (count >= kLanes) return x - mean;
  constexpr Ints kIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return kIndex < static_cast<int32_t>(count) ? x - mean : Floats{};
}

template <typename T>
HeadSums head_sums(const HeadInputs<T>& in, int64_t at, int64_t c, int64_t N) {
  Floats sum{}, squares{}, bonus{};
  for (int64_t i = 0; i < N; i += kLanes) sum += load_some(in.y + at + i, N - i);
  const float mean = sum_lanes(sum) / static_cast<float>(N);
  for (int64_t i = 0; i < N; i += kLanes) {
    const Floats x = centred(load_some(in.y + at + i, N - i), mean, N - i);
    squares += x * x;
    if (in.bonus) {
      bonus += load_some(in.receptance + at + i, N - i) * load_some(in.key + at + i, N - i) *
               load_some(in.bonus + c + i, N - i);
    }
  }
  const float variance = sum_lanes(squares) / static_cast<float>(N);
  return {mean, 1.0f / std::sqrt(variance + in.epsilon), in.bonus ? sum_lanes(bonus) : 0.0f};
}

}  // namespace

template <typename T>
void head_forward(const HeadShape& s, const HeadInputs<T>& in, T* out) {
  const int64_t N = s.head_size, D = s.width();
  for_row_blocks(s.rows, 20 * D, [&](int64_t, int64_t first, int64_t end) {
    for (int64_t t = first; t < end; ++t) {
      for (int64_t head = 0; head < D; head += N) {
        const HeadSums sums = head_sums(in, t * D + head, head, N);
        for (int64_t i = 0; i < N; i += kLanes) {
          const int64_t c = head + i, at = t * D + c, count = N - i;
          Floats x = (load_some(in.y + at, count) - sums.mean) * sums.inverse;
          x = x * load_some(in.weight + c, count) + load_some(in.bias + c, count);
          if (in.bonus) x += sums.bonus * load_some(in.value + at, count);
          if (in.gate) x *= load_some(in.gate + at, count);
          store_some(out + at, x, count);
        }
      }
    }
  });
}

template <typename T>
void head_backward(const HeadShape& s, const HeadInputs<T>& in, const T* grad_out,
                   const HeadGradients<T>& d) {
  const int64_t N = s.head_size, D = s.width();
  for_row_blocks(s.rows, 60 * D, [&](int64_t block, int64_t first, int64_t end) {
    float* sums_at = d.parameters + block * 3 * D;
    for (int64_t t = first; t < end; ++t) {
      for (int64_t head = 0; head < D; head += N) {
        const int64_t row = t * D + head;
        const HeadSums sums = head_sums(in, row, head, N);
        // dL/d of the sum before the gate, and of the normalised y.
        const auto before_gate = [&](int64_t at, int64_t count) {
          const Floats g = load_some(grad_out + at, count);
          return in.gate ? g * load_some(in.gate + at, count) : g;
        };
        Floats total{}, along{}, for_bonus{};
        for (int64_t i = 0; i < N; i += kLanes) {
          const int64_t at = row + i, count = N - i;
          const Floats g = before_gate(at, count), y = load_some(in.y + at, count);
          const Floats for_normal = g * load_some(in.weight + head + i, count);
          total += for_normal;
          along += for_normal * (y - sums.mean) * sums.inverse;
          if (in.bonus) for_bonus += g * load_some(in.value + at, count);
        }
        const float mean = sum_lanes(total) / static_cast<float>(N);
        const float slope = sum_lanes(along) / static_cast<float>(N);
        const float bonus = in.bonus ? sum_lanes(for_bonus) : 0.0f;
        for (int64_t i = 0; i < N; i += kLanes) {
          const int64_t c = head + i, at = row + i, count = N - i;
          const Floats g = before_gate(at, count), weight = load_some(in.weight + c, count);
          const Floats normal = (load_some(in.y + at, count) - sums.mean) * sums.inverse;
          store_some(d.y + at, sums.inverse * (g * weight - mean - normal * slope), count);
          add_some(sums_at + c, g * normal, count);
          add_some(sums_at + D + c, g, count);
          Floats whole = normal * weight + load_some(in.bias + c, count);
          if (in.bonus) {
            const Floats r = load_some(in.receptance + at, count),
                         k = load_some(in.key + at, count), u = load_some(in.bonus + c, count);
            whole += sums.bonus * load_some(in.value + at, count);
            store_some(d.value + at, g * sums.bonus, count);
            store_some(d.receptance + at, bonus * k * u, count);
            store_some(d.key + at, bonus * r * u, count);
            add_some(sums_at + 2 * D + c, bonus * r * k, count);
          }
          if (in.gate) store_some(d.gate + at, load_some(grad_out + at, count) * whole, count);
        }
      }
    }
  });
}

template void function_forward(RowFunction, int64_t, int64_t, const float*, const float*, float*);
template void function_forward(RowFunction, int64_t, int64_t, const bf16*, const float*, bf16*);
template void function_forward(RowFunction, int64_t, int64_t, const bf16*, const float*, float*);
template void function_backward(RowFunction, int64_t, int64_t, const float*, const float*,
                                const float*, float*, float*);
template void function_backward(RowFunction, int64_t, int64_t, const bf16*, const float*,
                                const bf16*, bf16*, float*);
template void function_backward(RowFunction, int64_t, int64_t, const bf16*, const float*,
                                const float*, bf16*, float*);
template void operands_forward(const HeadShape&, const OperandInputs<float>&,
                               const OperandOutputs<float>&);
template void operands_forward(const HeadShape&, const OperandInputs<bf16>&,
                               const OperandOutputs<bf16>&);
template void operands_backward(const HeadShape&, const OperandInputs<float>&,
                                const OperandOutputGradients<float>&,
                                const OperandGradients<float>&);
template void operands_backward(const HeadShape&, const OperandInputs<bf16>&,
                                const OperandOutputGradients<bf16>&, const OperandGradients<bf16>&);
template void head_forward(const HeadShape&, const HeadInputs<float>&, float*);
template void head_forward(const HeadShape&, const HeadInputs<bf16>&, bf16*);
template void head_backward(const HeadShape&, const HeadInputs<float>&, const float*,
                            const HeadGradients<float>&);
template void head_backward(const HeadShape&, const HeadInputs<bf16>&, const bf16*,
                            const HeadGradients<bf16>&);

}  // namespace rmkv::kernels::cpu
