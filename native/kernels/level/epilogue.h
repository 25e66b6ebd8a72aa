#pragma once

// Epilogues: scales, bias, activation or its derivative, and rounding, applied while a product's sums are in the cache.

#include <type_traits>

#include "kernels/level/activation.h"
#include "kernels/level/dot_product.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

template <class Dot>
constexpr bool integer_sums = std::is_same_v<typename Dot::Sum, I>;

constexpr bool is_slope(Epilogue epilogue) {
  return epilogue == Epilogue::gelu_slope || epilogue == Epilogue::gelu_tanh_slope || epilogue == Epilogue::relu_slope;
}

/// The epilogue of one vector of columns, for some rows at a time.
template <class Product, Epilogue epilogue, class Stored>
struct ColumnEpilogue {
  const GemmCall& call;
  int64_t column = 0;
  F bias = is_slope(epilogue) ? F{} : load(call.weights.bias + column);
  F scale = integer_sums<Product> ? load(call.weights.scales + column) : F{};
  I weight_sums = Product::has_zero_point ? load_as<I>(call.weights.weight_sums + column) : I{};

  template <int count>
  [[gnu::always_inline]] void apply(int64_t row, const float* sums) const {
    Several<count> values = {};
    unroll<count>([&](auto i) __attribute__((always_inline)) {
      const float* const from = sums + i * panel_width;
      if constexpr (integer_sums<Product>) {
        const RowScale row_scale = call.input_scales[row + i];
        I whole = load_as<I>(from);
        if constexpr (Product::has_zero_point) whole -= row_scale.zero_point * weight_sums;
        values.each[i] = to_float(whole) * (row_scale.scale * scale);
      } else {
        values.each[i] = load(from);
      }
    });
    if constexpr (is_slope(epilogue)) {
      unroll<count>([&](auto i) __attribute__((always_inline)) {
        values.each[i] *= slope<epilogue>(load_values(Stored{}, call.pre_activation.row(row + i), column));
      });
    } else {
      values = values + bias;
      if (call.pre_activation.data != nullptr) store_all(call.pre_activation, row, values);
      values = activated<epilogue, Stored>(values);
    }
    store_all(call.output, row, values);
  }

  template <int count>
  [[gnu::always_inline]] void store_all(const Rows& to, int64_t row, const Several<count>& values) const {
    unroll<count>([&](auto i) __attribute__((always_inline)) {
      store_values(Stored{}, to.row(row + i), column, values.each[i]);
    });
  }
};

/// Stores a panel's outputs, from `column` on, of rows from their sums. A column's factors are loaded once for all
/// rows.
template <class Product, Epilogue epilogue, class Stored>
[[gnu::noinline]] static void apply_epilogue(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                             const float* sums) {
  for (int64_t c = 0; c < panel_width; c += lanes) {
    const ColumnEpilogue<Product, epilogue, Stored> of_column{call, column + c};
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) of_column.template apply<4>(first_row + r, sums + r * panel_width + c);
    for (; r < rows; ++r) of_column.template apply<1>(first_row + r, sums + r * panel_width + c);
  }
}

/// Adds sums to an output that has no slack after its columns.
template <class Product>
[[gnu::noinline]] static void add_to_output(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                            const float* sums) {
  const int64_t columns = min(panel_width, call.weights.out - column);
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += panel_width) {
    auto* to = reinterpret_cast<float*>(call.output.row(r)) + column;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) store(to + c, load(to + c) + load(sums + c));
    for (; c < columns; ++c) to[c] += sums[c];
  }
}

using ApplyEpilogue = void (*)(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                               const float* sums);

template <class Product, Epilogue epilogue>
RD_INLINE ApplyEpilogue epilogue_as(const GemmCall& call) {
  return call.output_type == ElementType::float32 ? apply_epilogue<Product, epilogue, Float32>
                                                  : apply_epilogue<Product, epilogue, BFloat16>;
}

template <class Product>
RD_INLINE ApplyEpilogue epilogue_of(const GemmCall& call) {
  switch (call.epilogue) {
    case Epilogue::none:
      break;
    case Epilogue::add:
      return add_to_output<Product>;
    case Epilogue::gelu:
      return epilogue_as<Product, Epilogue::gelu>(call);
    case Epilogue::gelu_tanh:
      return epilogue_as<Product, Epilogue::gelu_tanh>(call);
    case Epilogue::relu:
      return epilogue_as<Product, Epilogue::relu>(call);
    case Epilogue::gelu_slope:
      return epilogue_as<Product, Epilogue::gelu_slope>(call);
    case Epilogue::gelu_tanh_slope:
      return epilogue_as<Product, Epilogue::gelu_tanh_slope>(call);
    case Epilogue::relu_slope:
      return epilogue_as<Product, Epilogue::relu_slope>(call);
  }
  return epilogue_as<Product, Epilogue::none>(call);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
