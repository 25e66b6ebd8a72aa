#pragma once

// What happens to a product's sums while they are near: scales, bias, activation or its slope, and the rounding.

#include <type_traits>

#include "kernels/level/activation.h"
#include "kernels/level/dot_product.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

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
template <class Product, TileEnd end, bool bf16>
[[gnu::noinline]] static void finish_tile(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                          int64_t columns, const float* sums) {
  const bool keeps = !is_slope(end) && call.before.data != nullptr;
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += Product::tile_columns) {
    char* const to = call.output.row(r);
    char* const before = is_slope(end) || keeps ? call.before.row(r) : nullptr;
    for (int64_t c = 0; c < columns; c += lanes) {
      F value;
      if constexpr (integer_sums<Product>) {
        I whole = load_as<I>(sums + c);
        if constexpr (Product::has_zero) {
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
template <class Product>
[[gnu::noinline]] static void add_tile(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                       int64_t columns, const float* sums) {
  columns = least(columns, call.weights.out - column);
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += Product::tile_columns) {
    auto* to = reinterpret_cast<float*>(call.output.row(r)) + column;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) store(to + c, load(to + c) + load(sums + c));
    for (; c < columns; ++c) to[c] += sums[c];
  }
}

using Finish = void (*)(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column, int64_t columns,
                        const float* sums);

template <class Product, TileEnd end>
RD_INLINE Finish finish_as(const GemmCall& call) {
  return call.output_type == ElementType::float32 ? finish_tile<Product, end, false> : finish_tile<Product, end, true>;
}

template <class Product>
RD_INLINE Finish finish_of(const GemmCall& call) {
  switch (call.end) {
    case TileEnd::none:
      break;
    case TileEnd::add:
      return add_tile<Product>;
    case TileEnd::gelu:
      return finish_as<Product, TileEnd::gelu>(call);
    case TileEnd::gelu_tanh:
      return finish_as<Product, TileEnd::gelu_tanh>(call);
    case TileEnd::relu:
      return finish_as<Product, TileEnd::relu>(call);
    case TileEnd::gelu_slope:
      return finish_as<Product, TileEnd::gelu_slope>(call);
    case TileEnd::gelu_tanh_slope:
      return finish_as<Product, TileEnd::gelu_tanh_slope>(call);
    case TileEnd::relu_slope:
      return finish_as<Product, TileEnd::relu_slope>(call);
  }
  return finish_as<Product, TileEnd::none>(call);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
