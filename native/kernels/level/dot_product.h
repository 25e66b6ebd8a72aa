#pragma once

// The innermost product, rows × one panel, with its sums in registers. A step broadcasts 4 bytes of each input row (one
// float32, two bf16, two int16 or four int8) and multiplies them with the groups of 2 · lanes outputs. `rows` inputs
// share each load of the panel, and 2 vectors of the panel share each load of an input: 12 rows on 32 registers, or 6
// on 16, leave just enough registers for the operands. Remaining rows run the same steps in a narrower variant, so a
// row's sums never depend on its neighbours.

#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

constexpr int64_t panel_width = int64_t{2} * lanes;
/// Distance between a panel's two vectors of a step.
constexpr int64_t vector_bytes = int64_t{4} * lanes;
#if defined(__AVX512F__)
constexpr int rows_at_once = 12;
#else
constexpr int rows_at_once = 6;
#endif

struct Float32 {
  using Sum = F;
  using Number = float;
  static constexpr int group = 1;
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

/// A vector of values at column `c` of a row of this type.
RD_INLINE F load_values(Float32, const char* row, int64_t c) { return load_as<F>(row + 4 * c); }
RD_INLINE F load_values(BFloat16, const char* row, int64_t c) { return load_bf16(row + 2 * c); }
RD_INLINE void store_values(Float32, char* row, int64_t c, F value) { store_as(row + 4 * c, value); }
RD_INLINE void store_values(BFloat16, char* row, int64_t c, F value) { store_bf16(row + 2 * c, value); }

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

template <class Dot, int rows, class Stride>
[[gnu::noinline]] static void multiply_rows(const char* input, int64_t stride, const char* panel, int64_t steps,
                                            float* sums, Stride sums_stride, bool add) {
  using Sum = typename Dot::Sum;
  Sum low[rows], high[rows];
  unroll<rows>([&](auto r) __attribute__((always_inline)) {
    low[r] = add ? load_as<Sum>(sums + r * sums_stride) : Sum{};
    high[r] = add ? load_as<Sum>(sums + r * sums_stride + lanes) : Sum{};
  });
  for (int64_t step = 0; step < steps; ++step, input += 4, panel += 4 * panel_width) {
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
      low[r] = Dot::add(low[r], input + r * stride, panel);
      high[r] = Dot::add(high[r], input + r * stride, panel + vector_bytes);
    });
  }
  unroll<rows>([&](auto r) __attribute__((always_inline)) {
    store_as(sums + r * sums_stride, low[r]);
    store_as(sums + r * sums_stride + lanes, high[r]);
  });
}

RD_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/// A product on vector registers.
template <class Dot>
struct VectorProduct : Dot {
  /// Block sizes of gemm.h. Products and epilogues use the same units, so overlapping them gains nothing.
  static constexpr bool leaves_vectors_free = false;
  static constexpr int64_t group_rows = 192, tile_columns = 96, chunk_steps = 384;
  RD_INLINE int64_t chunk_rows(int64_t /*row_bytes*/) { return group_rows; }
  RD_INLINE int64_t rows_of_group(int64_t left) { return min(group_rows, left); }

  /// sums[rows][panel_width] (+)= input · panel; integer sums take the same 4 bytes each. A constant stride, where the
  /// caller knows it, saves an instruction per address.
  template <class Stride, class... Unused>
  RD_INLINE void multiply(int64_t rows, const char* input, int64_t stride, const char* panel, int64_t steps,
                          float* sums, Stride sums_stride, bool add, Unused&... /*overlap*/) {
    int64_t row = 0;
    for (; row + rows_at_once <= rows; row += rows_at_once) {
      multiply_rows<Dot, rows_at_once>(input + row * stride, stride, panel, steps, sums + row * sums_stride,
                                       sums_stride, add);
    }
    unroll<rows_at_once - 1>([&](auto left) __attribute__((always_inline)) {
      if (rows - row == left + 1) {
        multiply_rows<Dot, left + 1>(input + row * stride, stride, panel, steps, sums + row * sums_stride, sums_stride,
                                     add);
      }
    });
  }
};

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
