#pragma once

// output = end(input · weightsᵀ + bias). Some columns' panels, as many steps of them as stay in the nearest cache, are
// passed by the rows of a chunk that stays in the next one; the sums wait in a small tile beside them, where scales,
// bias and activation are applied before anything is rounded or leaves the core.

#include <type_traits>

#include "kernels/level/activation.h"
#include "kernels/level/dot_product.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

constexpr int64_t chunk_rows = 192;
constexpr int64_t tile_columns = 96;
constexpr int64_t chunk_steps = 384;
static_assert(tile_columns % panel_width == 0);

template <class Dot>
constexpr bool integer_sums = std::is_same_v<typename Dot::Sum, I>;

/// Sums of `columns` outputs from `column` on → their values, for one row.
template <class Dot, TileEnd end, class Store>
RD_INLINE void finish_row(const GemmCall& call, int64_t row, int64_t column, int64_t columns, const float* sums,
                          Store store_values) {
  for (int64_t c = 0; c < columns; c += lanes) {
    F value;
    if constexpr (integer_sums<Dot>) {
      const I whole =
          load_as<I>(sums + c) - call.input_scales[row].zero * load_as<I>(call.weights.weight_sums + column + c);
      value = to_float(whole) * (call.input_scales[row].scale * load(call.weights.scales + column + c));
    } else {
      value = load(sums + c);
    }
    store_values(c, activated<end>(value + load(call.weights.bias + column + c)));
  }
}

template <class Dot, TileEnd end>
[[gnu::noinline]] static void finish_tile(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                          int64_t columns, const float* sums) {
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += tile_columns) {
    if (call.output_type == ElementType::float32) {
      auto* to = reinterpret_cast<float*>(call.output.row(r)) + column;
      finish_row<Dot, end>(call, r, column, columns, sums,
                           [&](int64_t c, F value) __attribute__((always_inline)) { store(to + c, value); });
    } else {
#if defined(__AVX512BF16__)
      auto* to = call.output.row(r) + 2 * column;
      finish_row<Dot, end>(call, r, column, columns, sums,
                           [&](int64_t c, F value) __attribute__((always_inline)) { store_bf16(to + 2 * c, value); });
#endif
    }
  }
}

template <class Dot>
RD_INLINE void finish(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column, int64_t columns,
                      const float* sums) {
  const uint64_t before = __rdtsc();
  switch (call.end) {
    case TileEnd::none:
      finish_tile<Dot, TileEnd::none>(call, first_row, rows, column, columns, sums);
      return;
    case TileEnd::gelu:
      finish_tile<Dot, TileEnd::gelu>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::gelu_tanh:
      finish_tile<Dot, TileEnd::gelu_tanh>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::relu:
      finish_tile<Dot, TileEnd::relu>(call, first_row, rows, column, columns, sums);
      break;
  }
  *call.end_ticks += __rdtsc() - before;
}

RD_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

template <class Dot>
static void gemm(const GemmCall& call) {
  alignas(64) float sums[chunk_rows * tile_columns];
  const auto& weights = call.weights;
  const int64_t panel_bytes = weights.steps * panel_width * 4;
  const int64_t all_columns = (weights.out + panel_width - 1) / panel_width * panel_width;
  for (int64_t row = 0; row < call.rows; row += chunk_rows) {
    const int64_t rows = least(chunk_rows, call.rows - row);
    for (int64_t column = 0; column < all_columns; column += tile_columns) {
      const int64_t columns = least(tile_columns, all_columns - column);
      for (int64_t step = 0; step < weights.steps; step += chunk_steps) {
        const int64_t steps = least(chunk_steps, weights.steps - step);
        for (int64_t c = 0; c < columns; c += panel_width) {
          const char* panel = weights.panels + (column + c) / panel_width * panel_bytes + step * panel_width * 4;
          Dot::multiply(rows, call.input.row(row) + 4 * step, call.input.stride, panel, steps, sums + c, tile_columns,
                        step > 0);
        }
      }
      finish<Dot>(call, row, rows, column, columns, sums);
    }
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
