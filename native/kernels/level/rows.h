#pragma once

// Operations on single rows between the products: LayerNorm fused with the sum before it (of two rows, or of three
// embeddings) and with the copy that the next product multiplies, while the row is in the first-level cache.

#include "kernels/level/dot_product.h"
#include "kernels/level/rotation.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

using Shorts = int16_t __attribute__((vector_size(2 * lanes)));
using Bytes = Int8::Number __attribute__((vector_size(lanes)));

/// Adding 1.5 · 2^23 rounds to the nearest integer, which is in the last bits of the sum.
constexpr float rounder = 12582912.0F;
constexpr int32_t rounder_bits = 0x4B400000;

/// Rounds to integers, as fine as 32-bit sums of products allow.
template <class Load>
RD_INLINE void round_to_int16(const ComputeCopy& copy, int64_t row, int64_t columns, Load load_row) {
  F squares{}, greatest{};
  for (int64_t c = 0; c < columns; c += lanes) {
    const F value = load_row(c);
    squares += value * value;
    greatest = max(greatest, magnitude(value));
  }
  const float norm = __builtin_sqrtf(sum_of(squares));
  const float by_norm = norm / int16_norm(columns), by_greatest = max_of(greatest) / max_int16;
  // The norm keeps a NaN; rows whose squares underflow are zeros.
  const float scale = by_greatest > by_norm ? by_greatest : by_norm;
  const bool counts = norm > 1e-15F;
  const float inverse = counts ? 1 / scale : 0;
  char* to = copy.rows.row(row);
  for (int64_t c = 0; c < columns; c += lanes) {
    const I whole = float_to_bits(load_row(c) * inverse + rounder) - rounder_bits;
    store_as(to + 2 * c, __builtin_convertvector(whole, Shorts));
  }
  copy.scales[row] = {counts ? scale : norm * 0, 0};
}

/// Rounds the rotated row to 255 integers that span its values and 0. The smallest value becomes the least that the
/// product of bytes takes, and the zero point is above it.
template <class Load>
RD_INLINE void round_to_int8(const ComputeCopy& copy, int64_t row, int64_t columns, Load load_row) {
  F maximum{}, minimum{}, zero_or_nan{};
  rotate_row(columns, load_row, [&](int64_t c, F value) __attribute__((always_inline)) {
    maximum = max(maximum, value);
    minimum = min(minimum, value);
    zero_or_nan += value * 0;
    store(copy.rotated + c, value);
  });
  const float most = max_of(maximum), least = -max_of(-minimum);
  // 254, so that rounding at both ends stays below 256.
  const float inverse = most > least ? 254 / (most - least) : 0;
  const float rounded = rounder - least * inverse;
  const int32_t zero_point = load_as<int32_t>(&rounded) - rounder_bits - byte_offset;
  char* to = copy.rows.row(row);
  for (int64_t c = 0; c < columns; c += lanes) {
    const I whole = float_to_bits(load(copy.rotated + c) * inverse + rounder) - (rounder_bits - zero_point);
    store_as(to + c, __builtin_convertvector(whole, Bytes));
  }
  // Integers cannot represent a NaN, so the scale does.
  copy.scales[row] = {(most - least) / 254 + sum_of(zero_or_nan), zero_point};
}

template <class Load>
RD_INLINE void copy_values(const ComputeCopy& copy, int64_t row, int64_t columns, Load load_row) {
  switch (copy.type) {
    case ElementType::float32:
      for (int64_t c = 0; c < columns; c += lanes) store_values(Float32{}, copy.rows.row(row), c, load_row(c));
      break;
    case ElementType::bfloat16:
      for (int64_t c = 0; c < columns; c += lanes) store_values(BFloat16{}, copy.rows.row(row), c, load_row(c));
      break;
    case ElementType::int16:
      round_to_int16(copy, row, columns, load_row);
      break;
    case ElementType::int8:
      round_to_int8(copy, row, columns, load_row);
      break;
  }
}

/// float32 rows need no copy.
RD_INLINE void copy_row(const ComputeCopy& copy, int64_t row, int64_t columns, const float* values) {
  if (copy.type == ElementType::float32) return;
  copy_values(copy, row, columns, [&](int64_t c) __attribute__((always_inline)) { return load(values + c); });
}

/// In place. Values after `columns` are zeros before and after.
RD_INLINE void normalize_row(float* values, int64_t columns, const NormWeights& norm) {
  const int64_t whole = columns / lanes * lanes;
  F sum{};
  for (int64_t c = 0; c < columns; c += lanes) sum += load(values + c);
  const float size = static_cast<float>(columns);
  const float mean = sum_of(sum) / size;
  // Two passes: the row is cached, and the one-pass formula cancels where the mean is large.
  F squares{};
  for (int64_t c = 0; c < whole; c += lanes) {
    const F d = load(values + c) - mean;
    squares += d * d;
  }
  if (whole < columns) {
    const F d = first_lanes(columns - whole) ? load(values + whole) - mean : F{};
    squares += d * d;
  }
  const float scale = 1 / __builtin_sqrtf(sum_of(squares) / size + norm.eps);
  for (int64_t c = 0; c < columns; c += lanes) {
    store(values + c, (load(values + c) - mean) * scale * load(norm.weight + c) + load(norm.bias + c));
  }
}

static void residual_norm(const NormCall& call) {
  for (int64_t r = 0; r < call.rows; ++r) {
    const auto* branch = reinterpret_cast<const float*>(call.branch.row(r));
    const auto* residual = reinterpret_cast<const float*>(call.residual.row(r));
    auto* exact = reinterpret_cast<float*>(call.exact.row(r));
    for (int64_t c = 0; c < call.columns; c += lanes) store(exact + c, load(branch + c) + load(residual + c));
    normalize_row(exact, call.columns, call.norm);
    copy_row(call.copy, r, call.columns, exact);
  }
}

static void embed(const EmbedCall& call) {
  const int64_t whole = call.columns / lanes * lanes;
  for (int64_t t = 0; t < call.tokens; ++t) {
    const float* word = call.words + call.ids[t] * call.columns;
    const float* position = call.positions + t * call.columns;
    const float* type = call.type_rows + call.types[t] * call.columns;
    auto* exact = reinterpret_cast<float*>(call.exact.row(t));
    for (int64_t c = 0; c < whole; c += lanes) store(exact + c, load(word + c) + load(position + c) + load(type + c));
    if (whole < call.columns) {
      // The tables have no slack for a whole vector.
      store(exact + whole, F{});
      for (int64_t c = whole; c < call.columns; ++c) exact[c] = word[c] + position[c] + type[c];
    }
    normalize_row(exact, call.columns, call.norm);
    copy_row(call.copy, t, call.columns, exact);
  }
}

static void convert(const ConvertCall& call) {
  for (int64_t r = 0; r < call.rows; ++r) {
    const char* from = call.input.row(r);
    if (call.input_type == ElementType::float32) {
      copy_row(call.copy, r, call.columns, reinterpret_cast<const float*>(from));
    } else {
      copy_values(call.copy, r, call.columns,
                  [&](int64_t c) __attribute__((always_inline)) { return load_values(BFloat16{}, from, c); });
    }
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
