#pragma once

// The innermost product, rows × one panel, with its sums in registers. A step multiplies 4 bytes of each input row (one
// float32, two bf16, two int16 or four int8) with the groups of 2 · lanes outputs. `rows` inputs share each load of the
// panel, and 2 vectors of the panel share each load of an input: 12 rows on 32 registers, 8 where loads of inputs stay
// in registers, or 6 on 16, leave just enough registers for the operands. Remaining rows run the same steps in a
// narrower variant, so a row's sums never depend on its neighbours.

#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

constexpr int64_t panel_width = int64_t{2} * lanes;
/// Distance between a panel's two vectors of a step.
constexpr int64_t vector_bytes = int64_t{4} * lanes;

/// Memory that a product fetches into the second-level cache while it multiplies: the next panel's lines.
struct Lines {
  const char* next;
  int64_t bytes_each;  // 0: the same line again and again, where there is nothing to fetch
};

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL

#if defined(__aarch64__)
#include "kernels/level/steps_neon.h"
#else
#include "kernels/level/steps_x86.h"
#endif

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// A vector of values at column `c` of a row of this type.
RD_INLINE F load_values(Float32, const char* row, int64_t c) { return load_as<F>(row + 4 * c); }
RD_INLINE F load_values(BFloat16, const char* row, int64_t c) { return load_bf16(row + 2 * c); }
RD_INLINE void store_values(Float32, char* row, int64_t c, F value) { store_as(row + 4 * c, value); }
RD_INLINE void store_values(BFloat16, char* row, int64_t c, F value) { store_bf16(row + 2 * c, value); }

template <class Dot, int rows, class Stride>
[[gnu::noinline]] static void multiply_rows(const char* input, int64_t stride, const char* panel, int64_t steps,
                                            float* sums, Stride sums_stride, bool add, Lines ahead) {
  using Sum = typename Dot::Sum;
  Sum low[rows], high[rows];
  unroll<rows>([&](auto r) __attribute__((always_inline)) {
    low[r] = add ? load_as<Sum>(sums + r * sums_stride) : Sum{};
    high[r] = add ? load_as<Sum>(sums + r * sums_stride + lanes) : Sum{};
  });
  add_products<Dot>(input, stride, panel, steps, low, high, ahead);
  unroll<rows>([&](auto r) __attribute__((always_inline)) {
    store_as(sums + r * sums_stride, low[r]);
    store_as(sums + r * sums_stride + lanes, high[r]);
  });
}

RD_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/// Rounded down, but one group at least.
template <int64_t group>
RD_INLINE int64_t whole_groups(int64_t rows) {
  return rows < group ? group : rows / group * group;
}

/// A product on vector registers.
template <class Dot>
struct VectorProduct : Dot {
  /// Block sizes of gemm.h. One panel at a time leaves the second-level cache to the rows, and to the next panel.
  static constexpr bool leaves_vectors_free = false;
  static constexpr int64_t group_rows = 96;

  /// Rows that take half of a second-level cache of 1 MiB: panels come from memory once per chunk.
  RD_INLINE int64_t chunk_rows(int64_t, int64_t row_bytes) {
    return whole_groups<group_rows>((int64_t{1} << 19) / row_bytes);
  }
  RD_INLINE int64_t chunk_steps(int64_t) { return lanes == 16 ? 1536 : 384; }
  RD_INLINE int64_t rows_of_group(int64_t left) { return min(group_rows, left); }

  /// sums[rows][panel_width] (+)= input · panel; integer sums take the same 4 bytes each. A constant stride, where the
  /// caller knows it, saves an instruction per address.
  template <class Stride, class... Overlap>
  RD_INLINE void multiply(int64_t rows, const char* input, int64_t stride, const char* panel, int64_t steps,
                          float* sums, Stride sums_stride, bool add, Overlap&... overlap) {
    const auto multiply_some = [&](auto count, int64_t row) __attribute__((always_inline)) {
      Lines ahead = {panel, 0};
      if constexpr (count == rows_at_once) ((ahead = overlap.next_lines(steps / steps_a_line, panel)), ...);
      (overlap.fetch_output(count), ...);
      multiply_rows<Dot, count>(input + row * stride, stride, panel, steps, sums + row * sums_stride, sums_stride, add,
                                ahead);
      (overlap.finish_next(count), ...);
    };
    int64_t row = 0;
    for (; row + rows_at_once <= rows; row += rows_at_once) {
      multiply_some(std::integral_constant<int, rows_at_once>{}, row);
    }
    unroll<rows_at_once - 1>([&](auto left) __attribute__((always_inline)) {
      if (rows - row == left + 1) multiply_some(std::integral_constant<int, left + 1>{}, row);
    });
  }

  /// All sums are in memory already.
  RD_INLINE void flush() {}
};

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
