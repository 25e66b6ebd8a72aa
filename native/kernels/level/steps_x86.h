#pragma once

// Steps of the innermost product on x86-64: 4 bytes of a row, repeated, times each vector of a panel.

#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

#if defined(__AVX512F__)
constexpr int rows_at_once = 12;
#else
constexpr int rows_at_once = 6;
#endif
/// Rows of int8 are unsigned, as the product of bytes takes them.
constexpr int32_t byte_offset = 0;

struct Float32 {
  using Sum = F;
  using Number = float;
  static constexpr int group = 1;
  static constexpr bool has_zero_point = false;
  RD_INLINE Sum add(Sum sum, const char* input, const char* panel) {
    return sum + load_as<float>(input) * load_as<F>(panel);
  }
};

/// Without AVX512_BF16 the same numbers are multiplied as float32: slower than float32 products, but every machine can
/// test the roundings.
struct BFloat16 {
  using Sum = F;
  using Number = uint16_t;
  static constexpr int group = 2;
  static constexpr bool has_zero_point = false;
  RD_INLINE Sum add(Sum sum, const char* input, const char* panel) {
#if defined(__AVX512BF16__)
    const auto repeated = _mm512_set1_epi32(load_as<int32_t>(input));
    const auto result = _mm512_dpbf16_ps(load_as<__m512>(&sum), load_as<__m512bh>(&repeated), load_as<__m512bh>(panel));
    return load_as<F>(&result);
#else
    constexpr auto upper = static_cast<int32_t>(0xffff0000);
    const I a = broadcast(load_as<int32_t>(input)), b = load_as<I>(panel);
    sum += bits_to_float(a << 16) * bits_to_float(b << 16);
    return sum + bits_to_float(a & upper) * bits_to_float(b & upper);
#endif
  }
};

/// Sums of two products of neighbouring 16-bit numbers.
RD_INLINE I products_of_pairs(I a, I b) {
#if defined(__AVX512F__)
  const auto result = _mm512_madd_epi16(load_as<__m512i>(&a), load_as<__m512i>(&b));
#elif defined(__AVX2__)
  const auto result = _mm256_madd_epi16(load_as<__m256i>(&a), load_as<__m256i>(&b));
#else
  const auto result = _mm_madd_epi16(load_as<__m128i>(&a), load_as<__m128i>(&b));
#endif
  return load_as<I>(&result);
}

struct Int16 {
  using Sum = I;
  using Number = int16_t;
  static constexpr int group = 2;
  static constexpr bool has_zero_point = false;
  RD_INLINE Sum add(Sum sum, const char* input, const char* panel) {
    const I repeated = broadcast(load_as<int32_t>(input));
#if defined(__AVX512VNNI__)
    const auto result =
        _mm512_dpwssd_epi32(load_as<__m512i>(&sum), load_as<__m512i>(&repeated), load_as<__m512i>(panel));
    return load_as<I>(&result);
#else
    return sum + products_of_pairs(repeated, load_as<I>(panel));
#endif
  }
};

/// Unsigned inputs, signed weights. Without AVX512_VNNI the same sums of 16-bit products, for tests only: the older
/// instruction for bytes saturates its sums.
struct Int8 {
  using Sum = I;
  using Number = uint8_t;
  static constexpr int group = 4;
  static constexpr bool has_zero_point = true;  // see RowScale
  RD_INLINE Sum add(Sum sum, const char* input, const char* panel) {
    const I repeated = broadcast(load_as<int32_t>(input)), weights = load_as<I>(panel);
#if defined(__AVX512VNNI__)
    const auto result =
        _mm512_dpbusd_epi32(load_as<__m512i>(&sum), load_as<__m512i>(&repeated), load_as<__m512i>(&weights));
    return load_as<I>(&result);
#else
    using Pairs = int16_t __attribute__((vector_size(4 * lanes)));
    const auto pairs = load_as<Pairs>(&weights), even = pairs << 8 >> 8, odd = pairs >> 8;
    sum += products_of_pairs(repeated & 0x00ff00ff, load_as<I>(&even));
    return sum + products_of_pairs(repeated >> 8 & 0x00ff00ff, load_as<I>(&odd));
#endif
  }
};

/// Steps of rows_at_once rows that fetch one line ahead: 96 rows fetch all of the next panel.
constexpr int64_t steps_a_line = 4;

/// low, high += `steps` products of rows with a panel's two vectors. With 32 registers, every fourth row has a pointer,
/// from which the three after it are addressed: with a distance for each of 12 rows the compiler reads two of them back
/// in each step. With 16 registers four steps together spill (int16 1.4 times as slow on AVX2).
template <class Dot, int rows, class Sum>
RD_INLINE void add_products(const char* input, int64_t stride, const char* panel, int64_t steps, Sum (&low)[rows],
                            Sum (&high)[rows], [[maybe_unused]] Lines ahead) {
#if defined(__AVX512F__)
  constexpr int fours = (rows + 3) / 4;
  const char* four[fours];
  unroll<fours>([&](auto i) __attribute__((always_inline)) { four[i] = input + 4 * i * stride; });
  const int64_t three = 3 * stride;
  const auto add = [&](int64_t step) __attribute__((always_inline)) {
    const char* const weights = panel + step * 4 * panel_width;
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
      const char* const at = four[r / 4] + (r % 4 == 3 ? three : r % 4 * stride) + 4 * step;
      low[r] = Dot::add(low[r], at, weights);
      high[r] = Dot::add(high[r], at, weights + vector_bytes);
    });
  };
  const auto advance = [&](int64_t by) __attribute__((always_inline)) {
    unroll<fours>([&](auto i) __attribute__((always_inline)) {
      four[i] += 4 * by;
      asm("" : "+r"(four[i]));  // the compiler would derive all pointers from one, with a distance for each row
    });
    panel += by * 4 * panel_width;
  };
  if constexpr (rows == rows_at_once) {
    for (; steps >= steps_a_line; steps -= steps_a_line) {
      __builtin_prefetch(ahead.next, 0, 2);
      ahead.next += ahead.bytes_each;
      unroll<steps_a_line>([&](auto step) __attribute__((always_inline)) { add(step); });
      advance(steps_a_line);
    }
  }
  for (; steps > 0; --steps) {
    add(0);
    advance(1);
  }
#else
  for (; steps > 0; --steps, input += 4, panel += 4 * panel_width) {
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
      low[r] = Dot::add(low[r], input + r * stride, panel);
      high[r] = Dot::add(high[r], input + r * stride, panel + vector_bytes);
    });
  }
#endif
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
