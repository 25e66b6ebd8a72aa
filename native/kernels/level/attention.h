#pragma once

// softmax(Q Kᵀ / √d) V of one sequence at its own length: no padding row, and scores only of a few queries at a time,
// near the core. Each head's keys and values are laid out once as panels, so both products are those of the linear
// layers; the softmax between them sees float32 scores.

#include "kernels/level/dot_product.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Queries whose scores are held at a time; each panel of keys is loaded once for all of them.
constexpr int64_t queries_at_once = rows_at_once == 6 ? 24 : 32;

RD_INLINE int64_t up_to(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Columns of one head's keys become the steps: 4-byte groups change places.
template <class Dot>
RD_INLINE void lay_out_keys(const AttentionCall& call, int64_t head, int64_t steps, char* panels) {
  const int64_t groups = (call.head_size + Dot::group - 1) / Dot::group;
  const int64_t offset = head * call.head_size * static_cast<int64_t>(sizeof(typename Dot::Number));
  for (int64_t first = 0; first < call.keys; first += panel_width, panels += steps * panel_width * 4) {
    const int64_t count = call.keys - first < panel_width ? call.keys - first : panel_width;
    if (count < panel_width || groups < steps) std::memset(panels, 0, steps * panel_width * 4);
    for (int64_t key = 0; key < count; ++key) {
      const char* from = call.key.row(first + key) + offset;
      char* to = panels + 4 * key;
      for (int64_t s = 0; s < groups; ++s) store_as(to + s * panel_width * 4, load_as<int32_t>(from + 4 * s));
    }
  }
}

/// Keys become the steps: rows of values stay rows (float32) or are laced in pairs (bf16).
template <class Dot>
RD_INLINE void lay_out_values(const AttentionCall& call, int64_t head, int64_t steps, char* panels) {
  using Number = typename Dot::Number;
  constexpr int64_t group = Dot::group;
  const int64_t offset = head * call.head_size * static_cast<int64_t>(sizeof(Number));
  for (int64_t first = 0; first < call.head_size; first += panel_width, panels += steps * panel_width * 4) {
    const int64_t count = call.head_size - first < panel_width ? call.head_size - first : panel_width;
    std::memset(panels, 0, steps * panel_width * 4);
    for (int64_t key = 0; key < call.keys; ++key) {
      const auto* from = reinterpret_cast<const Number*>(call.value.row(key) + offset) + first;
      auto* to = reinterpret_cast<Number*>(panels + key / group * panel_width * 4) + key % group;
      if (count == panel_width) {
        for (int64_t c = 0; c < panel_width; ++c) to[c * group] = from[c];
      } else {
        for (int64_t c = 0; c < count; ++c) to[c * group] = from[c];
      }
    }
  }
}

RD_INLINE void store_weights(Float32, char* row, int64_t i, F value) {
  store(reinterpret_cast<float*>(row) + i, value);
}
#if defined(__AVX512BF16__)
RD_INLINE void store_weights(BFloat16, char* row, int64_t i, F value) { store_bf16(row + 2 * i, value); }
#endif

/// A row of scores → exp(score - greatest) in the product's type, zero from `keys` to `width`; returns 1 / their sum.
template <class Dot>
RD_INLINE float exponentials(const float* scores, int64_t keys, int64_t width, float scale, char* weights) {
  const int64_t whole = keys / lanes * lanes;
  const I tail = first_lanes(keys - whole);
  F greatest = all(-3.4e38F);
  for (int64_t i = 0; i < whole; i += lanes) greatest = max(greatest, load(scores + i));
  if (whole < keys) {
    const F last = load(scores + whole);
    greatest = max(greatest, tail ? last : all(-3.4e38F));
  }
  const float to_powers_of_two = scale * 1.44269504F;
  const F shift = all(greatest_of(greatest)) * to_powers_of_two;
  F sum{};
  int64_t i = 0;
  for (; i < whole; i += lanes) {
    const F value = exp2_negative(load(scores + i) * to_powers_of_two - shift);
    sum += value;
    store_weights(Dot{}, weights, i, value);
  }
  if (whole < keys) {
    const F last = exp2_negative(min(load(scores + i) * to_powers_of_two - shift, F{}));
    const F value = tail ? last : F{};
    sum += value;
    store_weights(Dot{}, weights, i, value);
    i += lanes;
  }
  for (; i < width; i += lanes) store_weights(Dot{}, weights, i, F{});
  return 1 / sum_of(sum);
}

RD_INLINE void store_context(Float32, char* to, const float* values, int64_t count, float factor) {
  auto* out = reinterpret_cast<float*>(to);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) store(out + c, load(values + c) * factor);
  for (; c < count; ++c) out[c] = values[c] * factor;
}

#if defined(__AVX512BF16__)
RD_INLINE void store_context(BFloat16, char* to, const float* values, int64_t count, float factor) {
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) store_bf16(to + 2 * c, load(values + c) * factor);
  if (c == count) return;
  alignas(32) char last[2 * lanes];
  store_bf16(last, load(values + c) * factor);
  for (int64_t i = 0; i < count - c; ++i) store_as(to + 2 * (c + i), load_as<uint16_t>(last + 2 * i));
}
#endif

template <class Product, class Dot>
static void attention(const AttentionCall& call) {
  constexpr int64_t bytes = sizeof(typename Dot::Number);
  constexpr int64_t multiple = step_multiple;
  const int64_t key_steps = up_to((call.head_size + Dot::group - 1) / Dot::group, multiple);
  const int64_t value_steps = up_to((call.keys + Dot::group - 1) / Dot::group, multiple);
  const int64_t key_width = up_to(call.keys, panel_width), value_width = up_to(call.head_size, panel_width);
  const int64_t weights_stride = up_to(value_steps * 4, 64) + 64;
  char* const keys = call.scratch;
  char* const values = keys + key_width * key_steps * 4;
  auto* const scores = reinterpret_cast<float*>(values + value_width * value_steps * 4);
  const int64_t scores_stride = key_width + 16;
  char* const weights = reinterpret_cast<char*>(scores + queries_at_once * scores_stride);
  auto* const context = reinterpret_cast<float*>(weights + queries_at_once * weights_stride);
  const int64_t context_stride = value_width + 16;
  // bf16 has lanes of 2 bytes: whole vectors of weights may be stored up to a multiple of the lanes
  const int64_t width = up_to(value_steps * Dot::group, lanes);
  const auto scale = 1 / __builtin_sqrtf(static_cast<float>(call.head_size));
  for (int64_t head = 0; head < call.heads; ++head) {
    lay_out_keys<Dot>(call, head, key_steps, keys);
    lay_out_values<Dot>(call, head, value_steps, values);
    const int64_t offset = head * call.head_size * bytes;
    for (int64_t first = 0; first < call.queries; first += queries_at_once) {
      const int64_t count = call.queries - first < queries_at_once ? call.queries - first : queries_at_once;
      for (int64_t key = 0; key < key_width; key += panel_width) {
        Product::multiply(count, call.query.row(first) + offset, call.query.stride, keys + key * key_steps * 4,
                          key_steps, scores + key, scores_stride, false);
      }
      float factors[queries_at_once];
      for (int64_t q = 0; q < count; ++q) {
        factors[q] =
            exponentials<Dot>(scores + q * scores_stride, call.keys, width, scale, weights + q * weights_stride);
      }
      for (int64_t column = 0; column < value_width; column += panel_width) {
        Product::multiply(count, weights, weights_stride, values + column * value_steps * 4, value_steps,
                          context + column, context_stride, false);
      }
      for (int64_t q = 0; q < count; ++q) {
        store_context(Dot{}, call.output.row(first + q) + offset, context + q * context_stride, call.head_size,
                      factors[q]);
      }
    }
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
