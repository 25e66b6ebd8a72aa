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

/// Stores the outputs [column, column + columns) of rows from their sums. A column's factors are loaded once for all
/// rows.
template <class Product, Epilogue epilogue, class Stored>
[[gnu::noinline]] static void apply_epilogue(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                             int64_t columns, const float* sums) {
  const bool keeps = !is_slope(epilogue) && call.pre_activation.data != nullptr;
  for (int64_t c = 0; c < columns; c += lanes) {
    const F bias = is_slope(epilogue) ? F{} : load(call.weights.bias + column + c);
    const F scale = integer_sums<Product> ? load(call.weights.scales + column + c) : F{};
    const I weight_sums = Product::has_zero_point ? load_as<I>(call.weights.weight_sums + column + c) : I{};
    const float* from = sums + c;
    for (int64_t r = first_row; r < first_row + rows; ++r, from += Product::tile_columns) {
      F value;
      if constexpr (integer_sums<Product>) {
        I whole = load_as<I>(from);
        if constexpr (Product::has_zero_point) whole -= call.input_scales[r].zero_point * weight_sums;
        value = to_float(whole) * (call.input_scales[r].scale * scale);
      } else {
        value = load(from);
      }
      if constexpr (is_slope(epilogue)) {
        value *= slope<epilogue>(load_values(Stored{}, call.pre_activation.row(r), column + c));
      } else {
        value += bias;
        if (keeps) store_values(Stored{}, call.pre_activation.row(r), column + c, value);
        value = activated<epilogue>(value);
      }
      store_values(Stored{}, call.output.row(r), column + c, value);
    }
  }
}

/// Adds sums to an output that has no slack after its columns.
template <class Product>
[[gnu::noinline]] static void add_to_output(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column,
                                            int64_t columns, const float* sums) {
  columns = min(columns, call.weights.out - column);
  for (int64_t r = first_row; r < first_row + rows; ++r, sums += Product::tile_columns) {
    auto* to = reinterpret_cast<float*>(call.output.row(r)) + column;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) store(to + c, load(to + c) + load(sums + c));
    for (; c < columns; ++c) to[c] += sums[c];
  }
}

using ApplyEpilogue = void (*)(const GemmCall& call, int64_t first_row, int64_t rows, int64_t column, int64_t columns,
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
