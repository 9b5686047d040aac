// See adamw.h.
#include "core/kernels/cpu/adamw.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

namespace math = ::rmkv::adamw;

// Elements that are handed to a thread at once, whole blocks: small enough to share evenly, large
// enough that finding the parameter they belong to costs nothing.
constexpr int64_t kChunk = 16 * math::kBlock;
constexpr int64_t kWork = 32 * kChunk;  // multiply-adds of a chunk, about

typedef uint8_t Bytes16 __attribute__((vector_size(16)));

inline Floats square_root(Floats x) {
#if defined(__AVX512F__)
  // The masked form: g++ 12 warns of the undefined operand inside the plain one.
  return (Floats)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#else
  float lanes[kLanes];
  store(lanes, x);
  for (float& lane : lanes) lane = std::sqrt(lane);
  return load(lanes);
#endif
}
inline Floats magnitude(Floats x) {
  return floats_of(bits_of(x) & 0x7fffffff);
}
inline Floats floor_of(Floats x) {  // of x in [0, 2^23)
  return __builtin_convertvector(__builtin_convertvector(x, Ints), Floats);
}

inline void update(const math::Factors& f, Floats gradient, Floats& value, Floats& first,
                   Floats& second) {
  const Floats g = gradient * f.gradient_scale;
  first = f.beta1 * first + f.new_first * g;
  second = f.beta2 * second + f.new_second * g * g;
  value = f.keep * value - f.rate * first / (square_root(second) * f.root + f.eps);
}

// As math::noise_bits for sixteen elements from `index` on.
inline Words noise_bits(uint32_t stream, uint32_t index) {
  const Words lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Words x = ((lane + index) * 0x9e3779b9u) ^ stream;
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}
inline Floats share(Words half) {
  return __builtin_convertvector((Ints)half, Floats) * (1.0f / 65536.0f);
}

// Stores x as bf16, rounded stochastically; noise in [0, 65536).
inline void store_rounded(bf16* to, Floats x, Words noise, int64_t count) {
  const Words bits = (Words)x;
  const Words special = (Words)((bits & 0x7f800000u) == 0x7f800000u);
  const Words quiet = (Words)((bits & 0xffffu) != 0u) & 0x40u;
  const Words rounded = (bits + noise) >> 16, kept = (bits >> 16) | quiet;
  const Halves halves = __builtin_convertvector((rounded & ~special) | (kept & special), Halves);
  if (count >= kLanes) {
    std::memcpy(static_cast<void*>(to), &halves, sizeof halves);
  } else {
    std::memcpy(static_cast<void*>(to), &halves, static_cast<size_t>(count) * sizeof(bf16));
  }
}

// 10^(i - 7) and its inverse, i the place of a code's leading bit; with top = 6 from the second on.
constexpr float kDecades[] = {1e-7f, 1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f, 0,
                              0,     0,     0,     0,     0,     0,     0,     0};
constexpr float kPowers[] = {1e7f, 1e6f, 1e5f, 1e4f, 1e3f, 1e2f, 1e1f, 1.0f, 0,
                             0,    0,    0,    0,    0,    0,    0,    0};
template <int top>
inline Floats decades() {
  return load(kDecades + (math::kSecondTop - top));
}
template <int top>
inline Floats powers() {
  return load(kPowers + (math::kSecondTop - top));
}

// Sixteen codes without sign and their magnitudes: math::magnitude_of and math::code_of.
template <int top>
inline Floats magnitudes_of(Ints codes) {
  const Ints bits = bits_of(__builtin_convertvector(codes, Floats));
  const Ints place = (bits >> 23) - 127;  // garbage for code 0, masked below
  const Floats step = floats_of((127 - place) << 23);
  const Floats fraction = floats_of((bits & 0x7fffff) | 0x3f800000);  // 1 + k / 2^i
  const Floats upper = (fraction - 1.0f) + step;
  const Floats x = (0.1f + 0.9f * upper) * __builtin_shuffle(decades<top>(), place & 15);
  return codes == 0 ? Floats{} : x;
}
template <int top>
inline Ints codes_of(Floats x, Floats noise) {
  Ints place{};
#pragma GCC unroll 7
  for (int i = 0; i < top; ++i) place -= x > broadcast(kDecades[math::kSecondTop - top + i]);
  const Floats y = x * __builtin_shuffle(powers<top>(), place);
  const Floats steps = floats_of((place + 127) << 23);
  const Floats t = place == 0 ? y : (y - 0.1f) * (1.0f / 0.9f) * steps;
  const Floats above = t + noise;
  const Floats rounded = above > broadcast(0.0f) ? floor_of(above) : Floats{};  // NaN: the lowest
  const Floats code = steps - 1.0f + rounded, largest = 2.0f * steps - 1.0f;
  return __builtin_convertvector(code < largest ? code : largest, Ints);
}

// Bytes and lanes; g++ 12 takes the portable forms apart, a byte at a time.
inline Ints wide_codes(Bytes16 bytes) {
#if defined(__AVX512F__)
  return (Ints)_mm512_maskz_cvtepu8_epi32(0xffff, (__m128i)bytes);
#else
  return __builtin_convertvector(bytes, Ints);
#endif
}
inline Bytes16 narrow_codes(Ints codes) {
#if defined(__AVX512F__)
  return (Bytes16)_mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)codes);
#else
  return __builtin_convertvector(codes, Bytes16);
#endif
}

inline Ints load_codes(const uint8_t* from, int64_t count) {
  Bytes16 bytes{};
  if (count >= kLanes) {
    std::memcpy(&bytes, from, sizeof bytes);
  } else {
    std::memcpy(&bytes, from, static_cast<size_t>(count));
  }
  return wide_codes(bytes);
}
inline void store_codes(uint8_t* to, Ints codes, int64_t count) {
  const Bytes16 bytes = narrow_codes(codes);
  if (count >= kLanes) {
    std::memcpy(to, &bytes, sizeof bytes);
  } else {
    std::memcpy(to, &bytes, static_cast<size_t>(count));
  }
}

// Elements [first, last), of one block where the moments are codes.
void update_codes(const AdamwItem& item, const math::Factors& f, int64_t first, int64_t last) {
  float firsts[math::kBlock], seconds[math::kBlock];
  const int64_t block = first / math::kBlock;
  const Floats first_scale = broadcast(item.first_scale[block]);
  const Floats second_scale = broadcast(item.second_scale[block]);
  Floats first_peak{}, second_peak{};
  for (int64_t i = first; i < last; i += kLanes) {
    const int64_t left = last - i;
    const Ints code = load_codes(item.first_code + i, left);
    const Floats size = magnitudes_of<math::kFirstTop>(code & 0x7f);
    Floats m = floats_of(bits_of(size) | ((code & 0x80) << 24)) * first_scale;
    Floats v =
        magnitudes_of<math::kSecondTop>(load_codes(item.second_code + i, left)) * second_scale;
    Floats p = load_some(item.value + i, left);
    update(f, load_some(item.gradient + i, left), p, m, v);
    store_some(item.value + i, p, left);
    if (item.copy) store_some(item.copy + i, p, left);
    store(firsts + (i - first), m);
    store(seconds + (i - first), v);
    first_peak = maximum(first_peak, magnitude(m));
    second_peak = maximum(second_peak, v);
  }
  item.first_scale[block] = math::scale_of(max_lanes(first_peak));
  item.second_scale[block] = math::scale_of(max_lanes(second_peak));
  const Floats first_inverse = broadcast(math::inverse_of(item.first_scale[block]));
  const Floats second_inverse = broadcast(math::inverse_of(item.second_scale[block]));
  for (int64_t i = first; i < last; i += kLanes) {
    const Words noise = noise_bits(item.stream, static_cast<uint32_t>(i));
    const Floats m = load(firsts + (i - first));
    const Ints sign = (bits_of(m) >> 24) & 0x80;
    const Ints code =
        codes_of<math::kFirstTop>(magnitude(m) * first_inverse, share(noise & 0xffffu));
    store_codes(item.first_code + i, code | sign, last - i);
    const Floats v = load(seconds + (i - first)) * second_inverse;
    const Ints second = codes_of<math::kSecondTop>(v, share(noise >> 16));
    // Above zero never the code of zero.
    store_codes(item.second_code + i, second - ((v > broadcast(0.0f)) & (second == 0)), last - i);
  }
}

void update_halves(const AdamwItem& item, const math::Factors& f, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; i += kLanes) {
    const int64_t left = last - i;
    Floats m = load_some(item.first_half + i, left), v = load_some(item.second_half + i, left);
    Floats p = load_some(item.value + i, left);
    update(f, load_some(item.gradient + i, left), p, m, v);
    store_some(item.value + i, p, left);
    if (item.copy) store_some(item.copy + i, p, left);
    const Words noise = noise_bits(item.stream, static_cast<uint32_t>(i));
    store_rounded(item.first_half + i, m, noise & 0xffffu, left);
    store_rounded(item.second_half + i, v, noise >> 16, left);
  }
}

void update_floats(const AdamwItem& item, const math::Factors& f, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; i += kLanes) {
    const int64_t left = last - i;
    Floats m = load_some(item.first + i, left), v = load_some(item.second + i, left);
    Floats p = load_some(item.value + i, left);
    update(f, load_some(item.gradient + i, left), p, m, v);
    store_some(item.value + i, p, left);
    if (item.copy) store_some(item.copy + i, p, left);
    store_some(item.first + i, m, left);
    store_some(item.second + i, v, left);
  }
}

void update_chunk(const AdamwItem& item, const math::Factors& f, int64_t first, int64_t last) {
  if (item.first_code) {
    for (int64_t at = first; at < last; at += math::kBlock) {
      update_codes(item, f, at, std::min<int64_t>(at + math::kBlock, last));
    }
  } else if (item.first_half) {
    update_halves(item, f, first, last);
  } else {
    update_floats(item, f, first, last);
  }
}

}  // namespace

void adamw(const std::vector<AdamwItem>& items, const ::rmkv::adamw::Factors& factors) {
  // Where each item's chunks start.
  std::vector<int64_t> starts = {0};
  for (const AdamwItem& item : items) {
    starts.push_back(starts.back() + (item.count + kChunk - 1) / kChunk);
  }
  parallel_for(starts.back(), grain_of(kWork), [&](int64_t first, int64_t last) {
    size_t at = static_cast<size_t>(std::upper_bound(starts.begin(), starts.end(), first) -
                                    starts.begin() - 1);
    for (int64_t chunk = first; chunk < last; ++chunk) {
      while (chunk >= starts[at + 1]) ++at;
      const int64_t begin = (chunk - starts[at]) * kChunk;
      update_chunk(items[at], factors, begin, std::min(begin + kChunk, items[at].count));
    }
  });
}

}  // namespace rmkv::kernels::cpu
