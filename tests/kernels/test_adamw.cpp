// AdamW kernels: the codes of 8-bit moments, the vector form against the scalar arithmetic that the
// CUDA kernel shares, any thread count, and the kernel on a GPU where there is one.
#include "core/kernels/adamw.h"

#include <cmath>
#include <string>

#include "core/kernels/cuda/library.h"
#include "core/tensor/cuda_runtime.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"

using namespace rmkv;
using kernels::AdamwTarget;
using kernels::MomentState;
namespace math = rmkv::adamw;

namespace {

const MomentState kStates[] = {MomentState::kFull, MomentState::kBf16, MomentState::k8Bit};
const math::Rates kRates = {1e-2, 0.9, 0.95, 1e-8, 0.1};

AdamwTarget make_target(int64_t count, MomentState state, at::Device device = at::kCPU) {
  AdamwTarget target;
  const Tensor place = at::arange(count, at::kDouble);
  target.value = at::sin(place * 0.37).to(at::kFloat).to(device);
  target.gradient = at::empty_like(target.value);
  target.copy = target.value.to(at::kBFloat16);
  target.moments = kernels::zero_moments(target.value, state);
  target.index = 5;
  return target;
}

// Gradients over eight decades, some of them zero.
void set_gradient(const AdamwTarget& target, int step) {
  const Tensor place = at::arange(target.value.numel(), at::kDouble);
  const Tensor size = at::pow(10.0, at::sin(place * 1.7) * 4);
  const Tensor wave = at::sin(place * (step + 1)) * size * (place.remainder(11) != 3);
  target.gradient.copy_(wave);
}

kernels::AdamwControl control(int updates, at::Device device = at::kCPU) {
  const auto number = [&](double x) { return at::full({1}, x, at::kFloat).to(device); };
  return {number(updates), number(1.25), number(0)};
}

// The update as the CUDA kernel does it, an element at a time.
void scalar_adamw(const AdamwTarget& target, const math::Rates& rates, int updates) {
  const math::Factors factors = math::factors_of(rates, updates + 1.0, 1.25);
  const uint32_t stream = math::noise_stream(target.index, static_cast<uint32_t>(updates));
  const kernels::Moments& moments = target.moments;
  float* value = target.value.data_ptr<float>();
  const int64_t count = target.value.numel();
  for (int64_t begin = 0; begin < count; begin += math::kBlock) {
    const int64_t end = std::min<int64_t>(begin + math::kBlock, count),
                  block = begin / math::kBlock;
    float first[math::kBlock], second[math::kBlock], first_peak = 0, second_peak = 0;
    for (int64_t i = begin; i < end; ++i) {
      float &m = first[i - begin], &v = second[i - begin];
      if (moments.state == MomentState::k8Bit) {
        m = math::first_value(moments.first.data_ptr<uint8_t>()[i],
                              moments.first_scale.data_ptr<float>()[block]);
        v = math::second_value(moments.second.data_ptr<uint8_t>()[i],
                               moments.second_scale.data_ptr<float>()[block]);
      } else if (moments.state == MomentState::kBf16) {
        m = moments.first.data_ptr<at::BFloat16>()[i];
        v = moments.second.data_ptr<at::BFloat16>()[i];
      } else {
        m = moments.first.data_ptr<float>()[i];
        v = moments.second.data_ptr<float>()[i];
      }
      math::update(factors, target.gradient.data_ptr<float>()[i], value[i], m, v);
      first_peak = std::max(first_peak, std::fabs(m));
      second_peak = std::max(second_peak, v);
    }
    if (moments.state == MomentState::k8Bit) {
      moments.first_scale.data_ptr<float>()[block] = math::scale_of(first_peak);
      moments.second_scale.data_ptr<float>()[block] = math::scale_of(second_peak);
    }
    for (int64_t i = begin; i < end; ++i) {
      const float m = first[i - begin], v = second[i - begin];
      const uint32_t noise = math::noise_bits(stream, static_cast<uint32_t>(i));
      if (moments.state == MomentState::k8Bit) {
        moments.first.data_ptr<uint8_t>()[i] = math::first_code(
            m, math::inverse_of(math::scale_of(first_peak)), math::noise_share(noise & 0xffffu));
        moments.second.data_ptr<uint8_t>()[i] = math::second_code(
            v, math::inverse_of(math::scale_of(second_peak)), math::noise_share(noise >> 16));
      } else if (moments.state == MomentState::kBf16) {
        const auto put = [](float x, uint32_t bits) {
          return at::BFloat16(math::bf16_bits(x, bits), at::BFloat16::from_bits());
        };
        moments.first.data_ptr<at::BFloat16>()[i] = put(m, noise & 0xffffu);
        moments.second.data_ptr<at::BFloat16>()[i] = put(v, noise >> 16);
      } else {
        moments.first.data_ptr<float>()[i] = m;
        moments.second.data_ptr<float>()[i] = v;
      }
    }
  }
}

void check_close(const AdamwTarget& a, const AdamwTarget& b) {
  CHECK(at::allclose(a.value.cpu(), b.value.cpu(), 1e-5, 1e-6));
  const auto [first, second] = kernels::wide_moments(a.moments, at::kFloat);
  const auto [other_first, other_second] = kernels::wide_moments(b.moments, at::kFloat);
  // A rounding that falls a last place to the other side moves a code by one step; both are the
  // same numbers on all but a few elements.
  const auto differ = [](const Tensor& x, const Tensor& y) {
    return at::isclose(x.cpu(), y.cpu(), 1e-4, 1e-30).logical_not().to(at::kFloat).mean();
  };
  CHECK(differ(first, other_first).item<float>() < 0.01f);
  CHECK(differ(second, other_second).item<float>() < 0.01f);
}

}  // namespace

TEST_CASE("8-bit codes rise, cover seven decades and survive their own rounding") {
  for (const int top : {math::kFirstTop, math::kSecondTop}) {
    const uint32_t codes = 2u << top;
    CHECK(math::magnitude_of(0, top) == 0.0f);
    CHECK(math::magnitude_of(1, top) == Approx(std::pow(10.0, -top)));
    CHECK(math::magnitude_of(codes - 1, top) == 1.0f);
    for (uint32_t code = 1; code < codes; ++code) {
      INFO("top " << top << " code " << code);
      const float x = math::magnitude_of(code, top);
      CHECK(x > math::magnitude_of(code - 1, top));
      CHECK(math::code_of(x, top, 0.5f, 0) == code);
      // Between neighbours to the nearer one.
      const float below = math::magnitude_of(code - 1, top);
      CHECK(math::code_of(below + 0.4f * (x - below), top, 0.5f, 0) == code - 1);
      CHECK(math::code_of(below + 0.6f * (x - below), top, 0.5f, 0) == code);
    }
    CHECK(math::code_of(1e-12f, top, 0.0f, 1) == 1);
    CHECK(math::code_of(0.0f, top, 0.99f, 1) == 0);
  }
}

TEST_CASE("stochastic rounding of moments is right on average") {
  const float x = 0.2345f, small = 3e-7f;
  double code_sum = 0, half_sum = 0, small_sum = 0;
  const int draws = 20000;
  for (int i = 0; i < draws; ++i) {
    const uint32_t noise = math::noise_bits(77, static_cast<uint32_t>(i));
    const float share = math::noise_share(noise & 0xffffu);
    code_sum += math::first_value(math::first_code(-x, 1.0f, share), 1.0f);
    small_sum += math::first_value(math::first_code(small, 1.0f, share), 1.0f);
    half_sum += math::bf16_value(math::bf16_bits(x, noise >> 16));
  }
  // Steps are 0.014, 1e-6 and 0.001; the mean of so many draws is within a hundredth of one.
  CHECK(code_sum / draws == Approx(-x).margin(3e-4));
  CHECK(small_sum / draws == Approx(small).margin(2e-8));
  CHECK(half_sum / draws == Approx(x).margin(2e-5));
  CHECK(std::isnan(math::bf16_value(math::bf16_bits(std::nanf(""), 0xffff))));
  CHECK(std::isinf(math::bf16_value(math::bf16_bits(HUGE_VALF, 0xffff))));
}

TEST_CASE("the vector form of AdamW computes what the shared arithmetic says") {
  for (const MomentState state : kStates) {
    for (const int64_t count : {1, 16, 250, 256, 1000, 5000}) {
      INFO("state " << static_cast<int>(state) << " count " << count);
      AdamwTarget vector = make_target(count, state), scalar = make_target(count, state);
      for (int step = 0; step < 6; ++step) {
        set_gradient(vector, step);
        set_gradient(scalar, step);
        // From equal moments each time: the first code that falls to the other side would move
        // everything behind it.
        scalar.value.copy_(vector.value);
        scalar.moments.first.copy_(vector.moments.first);
        scalar.moments.second.copy_(vector.moments.second);
        if (state == MomentState::k8Bit) {
          scalar.moments.first_scale.copy_(vector.moments.first_scale);
          scalar.moments.second_scale.copy_(vector.moments.second_scale);
        }
        kernels::adamw({vector}, kRates, control(step));
        scalar_adamw(scalar, kRates, step);
        check_close(vector, scalar);
        CHECK(vector.copy.equal(vector.value.to(at::kBFloat16)));
      }
    }
  }
}

TEST_CASE("AdamW gives the same bits for any thread count") {
  const int before = at::get_num_threads();
  for (const MomentState state : kStates) {
    std::vector<AdamwTarget> runs;
    for (const int threads : {1, 2, 5}) {
      at::set_num_threads(threads);
      AdamwTarget large = make_target(300001, state), small = make_target(77, state);
      for (int step = 0; step < 3; ++step) {
        set_gradient(large, step);
        set_gradient(small, step);
        kernels::adamw({small, large}, kRates, control(step));
      }
      runs.push_back(large);
    }
    for (size_t i = 1; i < runs.size(); ++i) {
      CHECK(runs[i].value.equal(runs[0].value));
      CHECK(runs[i].moments.first.equal(runs[0].moments.first));
      CHECK(runs[i].moments.second.equal(runs[0].moments.second));
    }
  }
  at::set_num_threads(before);
}

TEST_CASE("zero gradients leave values and moments of zero, and moments fade") {
  for (const MomentState state : kStates) {
    AdamwTarget target = make_target(600, state);
    target.gradient.zero_();
    const Tensor value = target.value.clone();
    math::Rates rates = kRates;
    rates.weight_decay = 0;
    kernels::adamw({target}, rates, control(0));
    CHECK(target.value.equal(value));
    set_gradient(target, 1);
    kernels::adamw({target}, rates, control(1));
    target.gradient.zero_();
    const double first =
        kernels::wide_moments(target.moments, at::kFloat).second.sum().item<double>();
    for (int step = 2; step < 202; ++step) kernels::adamw({target}, rates, control(step));
    const double last =
        kernels::wide_moments(target.moments, at::kFloat).second.sum().item<double>();
    CHECK(last < first * 1e-3);
    CHECK(target.value.isfinite().all().item<bool>());
  }
}

TEST_CASE("moments convert between states within the precision of the coarser one") {
  AdamwTarget target = make_target(700, MomentState::kFull);
  set_gradient(target, 0);
  kernels::adamw({target}, kRates, control(0));
  for (const MomentState state : kStates) {
    kernels::Moments other = kernels::zero_moments(target.value, state);
    kernels::put_moments(target.moments.first, target.moments.second, other);
    const auto [first, second] = kernels::wide_moments(other, at::kFloat);
    // Relative to the largest of a block: half a step of the top decade.
    const double step = state == MomentState::kFull ? 0 : state == MomentState::kBf16 ? 4e-3 : 8e-3;
    const double first_peak = target.moments.first.abs().max().item<double>();
    const double second_peak = target.moments.second.max().item<double>();
    CHECK((first - target.moments.first).abs().max().item<double>() <= step * first_peak);
    CHECK((second - target.moments.second).abs().max().item<double>() <= step * second_peak);
    CHECK(kernels::moment_bytes(700, 4, state) ==
          static_cast<int64_t>(other.first.nbytes() + other.second.nbytes()) +
              (state == MomentState::k8Bit ? 2 * static_cast<int64_t>(other.first_scale.nbytes())
                                           : 0));
  }
}

TEST_CASE("cuda adamw: refuses what it cannot do without a GPU") {
  std::string why;
  const rmkv_cuda_kernels* cuda = cuda_kernels(&why);
  if (cuda == nullptr) {
    WARN("SKIPPED: " << why);
    return;
  }
  rmkv_cuda_adamw call{};
  CHECK(cuda->adamw(&call, nullptr) == 0);  // nothing to do
  call.count = -1;
  CHECK(cuda->adamw(&call, nullptr) == 1);
  call.count = 4;
  call.state = 9;
  CHECK(cuda->adamw(&call, nullptr) == 1);
}

TEST_CASE("cuda adamw: the kernel computes what the CPU does", "[cuda]") {
  std::string why;
  if (cuda_kernels(&why) == nullptr || !cuda_available(&why)) {
    WARN("SKIPPED: " << why);
    return;
  }
  for (const MomentState state : kStates) {
    AdamwTarget cpu = make_target(5003, state), gpu = make_target(5003, state, at::kCUDA);
    for (int step = 0; step < 3; ++step) {
      set_gradient(cpu, step);
      set_gradient(gpu, step);
      kernels::adamw({cpu}, kRates, control(step));
      kernels::adamw({gpu}, kRates, control(step, at::kCUDA));
      check_close(cpu, gpu);
    }
  }
}
