#pragma once

// Vectors of one instruction-set level. Every file in this folder is compiled once per level, in the level's namespace.
// It calls no inline function of a library unless that is always inlined: the linker keeps one copy of such a function
// for all levels, and that copy could be compiled for AVX-512.

#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define RD_INLINE [[gnu::always_inline]] static inline

namespace rank_distillm::RANK_DISTILLM_LEVEL {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

using F = float __attribute__((vector_size(4 * lanes)));
using I = int32_t __attribute__((vector_size(4 * lanes)));

/// Calls body(0) … body(count - 1) with constants: arrays of vectors that are indexed by them stay in registers.
template <int count, class Body>
[[gnu::always_inline]] inline void unroll(Body body) {
  [&]<int... index>(std::integer_sequence<int, index...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, index>{}), ...);
  }(std::make_integer_sequence<int, count>{});
}

template <class To>
RD_INLINE To load_as(const void* from) {
  To value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <class Value>
RD_INLINE void store_as(void* to, Value value) {
  std::memcpy(to, &value, sizeof(value));
}

RD_INLINE F load(const float* from) { return load_as<F>(from); }
RD_INLINE void store(float* to, F value) { store_as(to, value); }
RD_INLINE F broadcast(float value) { return value - F{}; }
RD_INLINE I broadcast(int32_t value) { return value - I{}; }
#if defined(__AVX512F__)
using FloatVector = __m512;  // masked forms: GCC 12 warns of an undefined value in the unmasked ones
RD_INLINE FloatVector greater(FloatVector a, FloatVector b) { return _mm512_maskz_max_ps(0xffff, a, b); }
RD_INLINE FloatVector lesser(FloatVector a, FloatVector b) { return _mm512_maskz_min_ps(0xffff, a, b); }
#elif defined(__AVX2__)
using FloatVector = __m256;
RD_INLINE FloatVector greater(FloatVector a, FloatVector b) { return _mm256_max_ps(a, b); }
RD_INLINE FloatVector lesser(FloatVector a, FloatVector b) { return _mm256_min_ps(a, b); }
#elif defined(__aarch64__)
using FloatVector = float32x4_t;  // a NaN in `b` is kept as well
RD_INLINE FloatVector greater(FloatVector a, FloatVector b) { return vmaxq_f32(a, b); }
RD_INLINE FloatVector lesser(FloatVector a, FloatVector b) { return vminq_f32(a, b); }
#else
using FloatVector = __m128;
RD_INLINE FloatVector greater(FloatVector a, FloatVector b) { return _mm_max_ps(a, b); }
RD_INLINE FloatVector lesser(FloatVector a, FloatVector b) { return _mm_min_ps(a, b); }
#endif
/// A NaN in `a` is kept. Intrinsics, because the compiler needs two instructions for a comparison with a constant.
RD_INLINE F max(F a, F b) { return F(greater(FloatVector(b), FloatVector(a))); }
RD_INLINE F min(F a, F b) { return F(lesser(FloatVector(b), FloatVector(a))); }
RD_INLINE F bits_to_float(I bits) { return load_as<F>(&bits); }
RD_INLINE I float_to_bits(F value) { return load_as<I>(&value); }
RD_INLINE F magnitude(F value) { return bits_to_float(float_to_bits(value) & 0x7fffffff); }
RD_INLINE F to_float(I value) { return __builtin_convertvector(value, F); }

/// Vectors that are computed with side by side: a lone one waits for each of its results, and operations behind it fill
/// the processor's queue meanwhile.
template <int count>
struct Several {
  F each[count];

  /// Vector i is operation(a[i], b[i]); `b` may be one for all.
  template <class Operation, class Other>
  [[gnu::always_inline]] Several with(const Other& other, Operation operation) const {
    Several result = {};
    unroll<count>([&](auto i) __attribute__((always_inline)) {
      if constexpr (std::is_same_v<Other, Several>) {
        result.each[i] = operation(each[i], other.each[i]);
      } else {
        result.each[i] = operation(each[i], other);
      }
    });
    return result;
  }
  template <class Other>
  [[gnu::always_inline]] Several operator+(const Other& other) const {
    return with(other, [](F a, auto b) __attribute__((always_inline)) { return a + b; });
  }
  template <class Other>
  [[gnu::always_inline]] Several operator-(const Other& other) const {
    return with(other, [](F a, auto b) __attribute__((always_inline)) { return a - b; });
  }
  template <class Other>
  [[gnu::always_inline]] Several operator*(const Other& other) const {
    return with(other, [](F a, auto b) __attribute__((always_inline)) { return a * b; });
  }
};

template <int count, class Other>
RD_INLINE Several<count> max(const Several<count>& a, const Other& b) {
  return a.with(b, [](F x, F y) __attribute__((always_inline)) { return max(x, y); });
}
template <int count, class Other>
RD_INLINE Several<count> min(const Several<count>& a, const Other& b) {
  return a.with(b, [](F x, F y) __attribute__((always_inline)) { return min(x, y); });
}

/// Lanes below `count`.
RD_INLINE I first_lanes(int64_t count) {
  constexpr int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load_as<I>(index) < static_cast<int32_t>(count);
}

template <class Reduce>
RD_INLINE float reduce(F value, Reduce combine) {
#if defined(__AVX512F__)
  value = combine(value, __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  value = combine(value, __builtin_shufflevector(value, value, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3));
  value = combine(value, __builtin_shufflevector(value, value, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1));
  value = combine(value, __builtin_shufflevector(value, value, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0));
#elif defined(__AVX2__)
  value = combine(value, __builtin_shufflevector(value, value, 4, 5, 6, 7, 0, 1, 2, 3));
  value = combine(value, __builtin_shufflevector(value, value, 2, 3, 0, 1, 2, 3, 0, 1));
  value = combine(value, __builtin_shufflevector(value, value, 1, 0, 1, 0, 1, 0, 1, 0));
#else
  value = combine(value, __builtin_shufflevector(value, value, 2, 3, 0, 1));
  value = combine(value, __builtin_shufflevector(value, value, 1, 0, 1, 0));
#endif
  return value[0];
}

RD_INLINE float sum_of(F value) {
  return reduce(value, [](F a, F b) __attribute__((always_inline)) { return a + b; });
}

RD_INLINE float max_of(F value) {
  return reduce(value, [](F a, F b) __attribute__((always_inline)) { return max(a, b); });
}

/// 2^x for x <= 0 with a relative error of 1e-7; below -126 it is 2^-126. A minimax polynomial of 2^f for |f| <= 1/2
/// (relative error 2e-9) times 2 to the power of the integer part.
RD_INLINE F exp2_negative(F x) {
  x = max(x, broadcast(-126.0F));
  // Adding 1.5 · 2^23 leaves no bits for a fraction: the last bits are the integer part, biased by 127.
  constexpr float round = 12582912.0F + 127;
  const F rounded = x + round;
  const F f = x - (rounded - round);
  const F series =
      1 +
      f * (0.693147182F + f * (0.240226462F + f * (0.0555032864F +
                                                   f * (0.00961848907F + f * (0.00133999309F + f * 0.000153458124F)))));
  return bits_to_float(float_to_bits(rounded) << 23) * series;
}

using Halves = uint16_t __attribute__((vector_size(2 * lanes)));
using U = uint32_t __attribute__((vector_size(4 * lanes)));

/// Rounds to bf16, ties to even, in the upper halves; a NaN stays NaN.
RD_INLINE I bf16_bits(F value) {
  const auto bits = load_as<U>(&value);
  const U rounded = bits + 0x7fff + ((bits >> 16) & 1);
  const I result = load_as<I>(&rounded) & static_cast<int32_t>(0xffff0000);
  return value == value ? result : broadcast(0x7fc00000);
}

RD_INLINE void store_bf16(char* to, F value) {
#if defined(__AVX512BF16__)
  store_as(to, _mm512_cvtneps_pbh(load_as<__m512>(&value)));
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  store_as(to, vcvt_bf16_f32(float32x4_t(value)));
#else
  const I bits = bf16_bits(value);
  store_as(to, __builtin_convertvector(load_as<U>(&bits) >> 16, Halves));
#endif
}

RD_INLINE F load_bf16(const char* from) {
  return bits_to_float(__builtin_convertvector(load_as<Halves>(from), I) << 16);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
