#pragma once

// Rows turned before they become 8-bit integers. A few numbers of a transformer's rows are many times as large as the
// rest, and the largest decides the distance between integers. A Walsh-Hadamard transform spreads each over many
// (QuaRot, Ashkboos et al., NeurIPS 2024); weights turned alike, times the inverse of its factor, leave the product as
// it is. It joins 8 neighbours with those at the same place in up to 8 equal shares of the row: no share needs a
// shuffle and up to 64 numbers meet in one pass over the row.

#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// (a + b, a - b) of lanes whose numbers differ in the bit `distance`.
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

/// (a + b, a - b) of vectors whose numbers differ in the bit `distance`.
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

/// Gives `take(column, vector)` the rotated row.
template <int shares, class Load, class Take>
RD_INLINE void rotate_shares(int64_t columns, Load load_values, Take take) {
  constexpr int vectors = lanes < 8 ? 8 / lanes : 1, count = shares * vectors;
  const int64_t share = columns / shares;
  for (int64_t c = 0; c < share; c += int64_t{vectors} * lanes) {
    F values[count];
    const auto column = [&](int i) __attribute__((always_inline)) {
      return i / vectors * share + c + int64_t{i % vectors} * lanes;
    };
    unroll<count>([&](auto i) __attribute__((always_inline)) {
      values[i] = butterfly_lanes<2>(butterfly_lanes<1>(load_values(column(i))));
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
RD_INLINE void rotate_row(int64_t columns, Load load_values, Take take) {
  switch (rotated_shares(columns)) {
    case 1:
      return rotate_shares<1>(columns, load_values, take);
    case 2:
      return rotate_shares<2>(columns, load_values, take);
    case 4:
      return rotate_shares<4>(columns, load_values, take);
    case 8:
      return rotate_shares<8>(columns, load_values, take);
    default:
      for (int64_t c = 0; c < columns; c += lanes) take(c, load_values(c));
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
