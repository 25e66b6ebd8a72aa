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

template <bool bf16>
RD_INLINE F load_number(const char* row, int64_t c) {
  if constexpr (bf16) return load_bf16(row + 2 * c);
  return load(reinterpret_cast<const float*>(row) + c);
}

template <bool bf16>
RD_INLINE void store_number(char* row, int64_t c, F value) {
  if constexpr (bf16) {
    store_bf16(row + 2 * c, value);
  } else {
    store(reinterpret_cast<float*>(row) + c, value);
  }
}

constexpr bool is_slope(TileEnd end) {
  return end == TileEnd::gelu_slope || end == TileEnd::gelu_tanh_slope || end == TileEnd::relu_slope;
}

/// Sums of `columns` outputs from `column` on → what is stored of them.
template <class Dot, TileEnd end, bool bf16>
[[gnu::noinline]] static void finish_tile(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                          int64_t columns, const float* sums) {
  const bool keeps = !is_slope(end) && call.before.data != nullptr;
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += tile_columns) {
    char* const to = call.output.row(r);
    char* const before = is_slope(end) || keeps ? call.before.row(r) : nullptr;
    for (int64_t c = 0; c < columns; c += lanes) {
      F value;
      if constexpr (integer_sums<Dot>) {
        I whole = load_as<I>(sums + c);
        if constexpr (Dot::has_zero) {
          whole -= call.input_scales[r].zero * load_as<I>(call.weights.weight_sums + column + c);
        }
        value = to_float(whole) * (call.input_scales[r].scale * load(call.weights.scales + column + c));
      } else {
        value = load(sums + c);
      }
      if constexpr (is_slope(end)) {
        value *= slope<end>(load_number<bf16>(before, column + c));
      } else {
        value += load(call.weights.bias + column + c);
        if (keeps) store_number<bf16>(before, column + c, value);
        value = activated<end>(value);
      }
      store_number<bf16>(to, column + c, value);
    }
  }
}

/// Sums that are added to an output without slack behind its columns.
[[gnu::noinline]] static void add_tile(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                       int64_t columns, const float* sums) {
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += tile_columns) {
    auto* to = reinterpret_cast<float*>(call.output.row(r)) + column;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) store(to + c, load(to + c) + load(sums + c));
    for (; c < columns; ++c) to[c] += sums[c];
  }
}

template <class Dot, TileEnd end>
RD_INLINE void finish_as(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column, int64_t columns,
                         const float* sums) {
  if (call.output_type == ElementType::float32) {
    finish_tile<Dot, end, false>(call, first_row, rows, column, columns, sums);
  } else {
    finish_tile<Dot, end, true>(call, first_row, rows, column, columns, sums);
  }
}

RD_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

template <class Dot>
RD_INLINE void finish(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column, int64_t columns,
                      const float* sums) {
  const uint64_t before = __rdtsc();
  switch (call.end) {
    case TileEnd::none:
      finish_as<Dot, TileEnd::none>(call, first_row, rows, column, columns, sums);
      return;
    case TileEnd::add:
      add_tile(call, first_row, rows, column, least(columns, call.weights.out - column), sums);
      return;
    case TileEnd::gelu:
      finish_as<Dot, TileEnd::gelu>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::gelu_tanh:
      finish_as<Dot, TileEnd::gelu_tanh>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::relu:
      finish_as<Dot, TileEnd::relu>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::gelu_slope:
      finish_as<Dot, TileEnd::gelu_slope>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::gelu_tanh_slope:
      finish_as<Dot, TileEnd::gelu_tanh_slope>(call, first_row, rows, column, columns, sums);
      break;
    case TileEnd::relu_slope:
      finish_as<Dot, TileEnd::relu_slope>(call, first_row, rows, column, columns, sums);
      break;
  }
  *call.end_ticks += __rdtsc() - before;
}

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
