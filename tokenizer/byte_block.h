// 64 bytes of text that are compared all at once: bit i of a result belongs to byte i.
//
// One comparison is one or two instructions with AVX-512 and about a dozen with AVX2 or SSE2.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace rmkv {

constexpr int kBlockBytes = 64;

#if defined(__AVX512BW__)

class ByteBlock {
 public:
  explicit ByteBlock(const char* text) : bytes_(_mm512_loadu_si512(text)) {}

  uint64_t equal(unsigned char c) const { return _mm512_cmpeq_epi8_mask(bytes_, all(c)); }
  // first <= byte < first + count
  uint64_t in_range(unsigned char first, int count) const {
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes_, all(first)), all(count));
  }
  uint64_t above_ascii() const { return _mm512_movepi8_mask(bytes_); }
  // With bit 5 set in each byte: ASCII letters become lower case.
  ByteBlock lower() const { return ByteBlock(_mm512_or_si512(bytes_, all(0x20))); }

 private:
  explicit ByteBlock(__m512i bytes) : bytes_(bytes) {}
  static __m512i all(int c) { return _mm512_set1_epi8(static_cast<char>(c)); }

  __m512i bytes_;
};

#elif defined(__SSE2__)

class ByteBlock {
 public:
#if defined(__AVX2__)
  using Part = __m256i;
  static Part load(const char* text) {
    return _mm256_loadu_si256(reinterpret_cast<const Part*>(text));
  }
  static Part all(int c) {
    return _mm256_set1_epi8(static_cast<char>(c));
  }
  static Part add(Part a, Part b) {
    return _mm256_add_epi8(a, b);
  }
  static Part either(Part a, Part b) {
    return _mm256_or_si256(a, b);
  }
  static Part same(Part a, Part b) {
    return _mm256_cmpeq_epi8(a, b);
  }
  static Part less(Part a, Part b) {
    return _mm256_cmpgt_epi8(b, a);
  }
  static uint64_t bits(Part a) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(a));
  }
#else
  using Part = __m128i;
  static Part load(const char* text) {
    return _mm_loadu_si128(reinterpret_cast<const Part*>(text));
  }
  static Part all(int c) {
    return _mm_set1_epi8(static_cast<char>(c));
  }
  static Part add(Part a, Part b) {
    return _mm_add_epi8(a, b);
  }
  static Part either(Part a, Part b) {
    return _mm_or_si128(a, b);
  }
  static Part same(Part a, Part b) {
    return _mm_cmpeq_epi8(a, b);
  }
  static Part less(Part a, Part b) {
    return _mm_cmplt_epi8(a, b);
  }
  static uint64_t bits(Part a) {
    return static_cast<uint32_t>(_mm_movemask_epi8(a));
  }
#endif

  explicit ByteBlock(const char* text) {
    for (int i = 0; i < kParts; ++i) parts_[i] = load(text + i * kPartBytes);
  }

  uint64_t equal(unsigned char c) const {
    return gather([&](Part x) { return same(x, all(c)); });
  }
  uint64_t in_range(unsigned char first, int count) const {
    // A signed comparison after a shift to the lowest value.
    return gather([&](Part x) { return less(add(x, all(-128 - first)), all(-128 + count)); });
  }
  uint64_t above_ascii() const {
    return gather([](Part x) { return x; });
  }
  ByteBlock lower() const {
    ByteBlock block = *this;
    for (Part& part : block.parts_) part = either(part, all(0x20));
    return block;
  }

 private:
  static constexpr int kPartBytes = sizeof(Part), kParts = kBlockBytes / kPartBytes;

  template <typename Test>
  uint64_t gather(Test test) const {
    uint64_t found = 0;
    for (int i = 0; i < kParts; ++i) found |= bits(test(parts_[i])) << (i * kPartBytes);
    return found;
  }

  Part parts_[kParts];
};

#else

class ByteBlock {
 public:
  explicit ByteBlock(const char* text) {
    for (int i = 0; i < kBlockBytes; ++i) bytes_[i] = static_cast<unsigned char>(text[i]);
  }

  uint64_t equal(unsigned char c) const { return in_range(c, 1); }
  uint64_t in_range(unsigned char first, int count) const {
    uint64_t found = 0;
    for (int i = 0; i < kBlockBytes; ++i) {
      found |= static_cast<uint64_t>(bytes_[i] >= first && bytes_[i] < first + count) << i;
    }
    return found;
  }
  uint64_t above_ascii() const { return in_range(0x80, 0x80); }
  ByteBlock lower() const {
    ByteBlock block = *this;
    for (unsigned char& c : block.bytes_) c |= 0x20;
    return block;
  }

 private:
  unsigned char bytes_[kBlockBytes];
};

#endif

}  // namespace rmkv
