#pragma once

// Rotation of rows before they are rounded to 8-bit integers. A few numbers of a transformer's rows are many times as
// large as the rest, and the largest number determines the rounding step. A Walsh-Hadamard transform spreads each over
// many columns (QuaRot, Ashkboos et al., NeurIPS 2024). Weights get the same rotation and the inverse of its factor, so
// that the product does not change. The transform covers 8 neighbours and the same columns of up to 8 equal shares of
// the row: shares need no shuffles, and one pass combines up to 64 numbers.

#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// (a + b, a - b) of lanes whose indices differ in the bit `distance`.
template <int distance>
RD_INLINE F butterfly_lanes(F value) {
  constexpr auto signs = []<int... lane>(std::integer_sequence<int, lane...>) {
    return F{(lane & distance ? -1.0F : 1.0F)...};
  }(std::make_integer_sequence<int, lanes>{});
  const F other = [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
    return __builtin_shufflevector(value, value, (lane ^ distance)...);
  }(std::make_integer_sequence<int, lanes>{});
  return value * signs + other;
}

/// (a + b, a - b) of vectors whose indices differ in the bit `distance`.
template <int distance, int count>
RD_INLINE void butterfly_vectors(F (&values)[count]) {
  unroll<count>([&](auto i) __attribute__((always_inline)) {
    if constexpr ((i & distance) == 0 && i + distance < count) {
      const F a = values[i], b = values[i + distance];
      values[i] = a + b;
      values[i + distance] = a - b;
    }
  });
}

/// Calls `take(column, vector)` with the rotated row.
template <int shares, class Load, class Take>
RD_INLINE void rotate_shares(int64_t columns, Load load_row, Take take) {
  constexpr int vectors = lanes < 8 ? 8 / lanes : 1, count = shares * vectors;
  const int64_t share = columns / shares;
  for (int64_t c = 0; c < share; c += int64_t{vectors} * lanes) {
    F values[count];
    const auto column = [&](int i) __attribute__((always_inline)) {
      return i / vectors * share + c + int64_t{i % vectors} * lanes;
    };
    unroll<count>([&](auto i) __attribute__((always_inline)) {
      values[i] = butterfly_lanes<2>(butterfly_lanes<1>(load_row(column(i))));
      if constexpr (lanes >= 8) values[i] = butterfly_lanes<4>(values[i]);
    });
    if constexpr (lanes < 8) butterfly_vectors<4 / lanes>(values);
    if constexpr (shares >= 2) butterfly_vectors<vectors>(values);
    if constexpr (shares >= 4) butterfly_vectors<2 * vectors>(values);
    if constexpr (shares >= 8) butterfly_vectors<4 * vectors>(values);
    unroll<count>([&](auto i) __attribute__((always_inline)) { take(column(i), values[i]); });
  }
}

template <class Load, class Take>
RD_INLINE void rotate_row(int64_t columns, Load load_row, Take take) {
  switch (rotated_shares(columns)) {
    case 1:
      return rotate_shares<1>(columns, load_row, take);
    case 2:
      return rotate_shares<2>(columns, load_row, take);
    case 4:
      return rotate_shares<4>(columns, load_row, take);
    case 8:
      return rotate_shares<8>(columns, load_row, take);
    default:
      for (int64_t c = 0; c < columns; c += lanes) take(c, load_row(c));
  }
}

static void rotate(const RotateCall& call) {
  if (rotated_shares(call.columns) == 0) {
    std::memcpy(call.output, call.input, 4 * call.columns);
    return;
  }
  rotate_row(
      call.columns, [&](int64_t c) __attribute__((always_inline)) { return load(call.input + c); },
      [&](int64_t c, F value) __attribute__((always_inline)) { store(call.output + c, value); });
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
