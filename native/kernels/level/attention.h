#pragma once

// softmax(Q Kᵀ / √d) V of one sequence, without padding. Scores of a few queries at a time stay cached. Each head's
// keys and values are packed once as panels, so both products are those of the linear layers; the softmax between them
// works on float32 scores.

#include "kernels/level/attention_panels.h"
#include "kernels/level/dropout.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Queries whose scores are kept at a time; they share each load of a panel of keys.
constexpr int64_t queries_at_once = rows_at_once == 6 ? 24 : 32;

/// A row's softmax: weights are 2^(score · scale - shift) · inverse.
struct Softmax {
  float shift = 0;
  float inverse = 0;
};

/// A row's greatest scores, lane by lane.
RD_INLINE F greatest_scores(const float* scores, int64_t keys) {
  const int64_t whole = keys / lanes * lanes;
  F greatest = broadcast(-3.4e38F);
  for (int64_t i = 0; i < whole; i += lanes) greatest = max(greatest, load(scores + i));
  if (whole == keys) return greatest;
  const F last = load(scores + whole);
  return max(greatest, first_lanes(keys - whole) ? last : broadcast(-3.4e38F));
}

/// weights = 2^(score · to_powers_of_two - shift) · factors in the product's type, zeros from `keys` to `width`.
/// Returns the powers' sums, lane by lane.
template <class Dot, bool drops>
RD_INLINE F exponentials(const float* scores, int64_t keys, int64_t width, float to_powers_of_two, float shift,
                         const float* factors, char* weights) {
  const int64_t whole = keys / lanes * lanes;
  F sum{};
  int64_t i = 0;
  const auto store_next = [&](F value) __attribute__((always_inline)) {
    sum += value;
    if constexpr (drops) value *= load(factors + i);
    store_values(Dot{}, weights, i, value);
  };
  for (; i < whole; i += lanes) store_next(exp2_negative(load(scores + i) * to_powers_of_two - shift));
  if (whole < keys) {
    const F last = exp2_negative(min(load(scores + i) * to_powers_of_two - shift, F{}));
    store_next(first_lanes(keys - whole) ? last : F{});
    i += lanes;
  }
  for (; i < width; i += lanes) store_values(Dot{}, weights, i, F{});
  return sum;
}

/// Stores `count` values · factor in the product's type.
template <class Dot>
RD_INLINE void store_context(char* to, const float* values, int64_t count, float factor) {
  constexpr int64_t bytes = sizeof(typename Dot::Number);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) store_values(Dot{}, to, c, load(values + c) * factor);
  if (c == count) return;
  alignas(64) char last[lanes * bytes];
  store_values(Dot{}, last, 0, load(values + c) * factor);
  std::memcpy(to + c * bytes, last, (count - c) * bytes);  // another head's values are after them
}

/// Factor that turns a score into an exponent of 2.
RD_INLINE float to_powers_of_two(int64_t head_size) {
  return 1.44269504F / __builtin_sqrtf(static_cast<float>(head_size));
}

/// A row's mask from the mask of the first query and head.
RD_INLINE DropoutMask mask_of(DropoutMask mask, int64_t query, int64_t head) {
  mask.token += static_cast<uint32_t>(query);
  mask.site += static_cast<uint32_t>(head) << 18;
  return mask;
}

/// Fetches the lines of `bytes` bytes into the second-level cache.
RD_INLINE void fetch(const char* from, int64_t bytes) {
  for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(from + b, 0, 2);
}

template <class Product, class Dot>
static void attention(const AttentionCall& call) {
  constexpr int64_t bytes = sizeof(typename Dot::Number);
  constexpr int64_t multiple = step_multiple;
  const int64_t key_steps = round_up((call.head_size + Dot::group - 1) / Dot::group, multiple);
  const int64_t value_steps = round_up((call.keys + Dot::group - 1) / Dot::group, multiple);
  const int64_t key_width = round_up(call.keys, panel_width), value_width = round_up(call.head_size, panel_width);
  const int64_t weights_stride = round_up(value_steps * 4, 64) + 64;
  char* const keys = call.scratch;
  char* const values = keys + key_width * key_steps * 4;
  auto* const scores = reinterpret_cast<float*>(values + value_width * value_steps * 4);
  const int64_t scores_stride = key_width + 16;
  char* const weights = reinterpret_cast<char*>(scores + queries_at_once * scores_stride);
  auto* const context = reinterpret_cast<float*>(weights + queries_at_once * weights_stride);
  const int64_t context_stride = value_width + 16;
  auto* const factors = context + queries_at_once * context_stride;
  // Vectors of bf16 weights are stored up to a multiple of the lanes.
  const int64_t width = round_up(value_steps * Dot::group, lanes);
  const float scale = to_powers_of_two(call.head_size);
  Product product;
  for (int64_t head = 0; head < call.heads; ++head) {
    const int64_t offset = head * call.head_size * bytes, head_bytes = call.head_size * bytes;
    // A head's part of a row is a line or a few, and the next row's is far from it: the processor foresees none of
    // them.
    const auto fetch_next_head = [&](int64_t query) __attribute__((always_inline)) {
      if (head + 1 == call.heads) return;
      fetch(call.query.row(query) + offset + head_bytes, head_bytes);
      const int64_t key = query * call.keys / call.queries, end = (query + 1) * call.keys / call.queries;
      for (int64_t k = key; k < end; ++k) {
        fetch(call.key.row(k) + offset + head_bytes, head_bytes);
        fetch(call.value.row(k) + offset + head_bytes, head_bytes);
      }
    };
    pack_as_outputs<Dot>(call.key, call.keys, offset, call.head_size, key_steps, keys);
    pack_as_steps<Dot>(call.value, call.keys, offset, call.head_size, value_steps, values);
    for (int64_t first = 0; first < call.queries; first += queries_at_once) {
      const int64_t count = min(queries_at_once, call.queries - first);
      for (int64_t key = 0; key < key_width; key += panel_width) {
        product.multiply(count, call.query.row(first) + offset, call.query.stride, keys + key * key_steps * 4,
                         key_steps, scores + key, scores_stride, false);
      }
      product.flush();
      // A vector's lanes of rows at a time: a row alone would wait for its maximum and for its sum.
      float shifts[queries_at_once], inverses[queries_at_once];
      for (int64_t q = 0; q < count; q += lanes) {
        const int64_t rows = min(lanes, count - q);
        F by_lane[lanes] = {};
        for (int64_t r = 0; r < rows; ++r) by_lane[r] = greatest_scores(scores + (q + r) * scores_stride, call.keys);
        store(shifts + q,
              reduce_rows(by_lane, [](F a, F b) __attribute__((always_inline)) { return max(a, b); }) * scale);
        for (int64_t r = 0; r < rows; ++r) {
          fetch_next_head(first + q + r);
          const auto* row = scores + (q + r) * scores_stride;
          char* const to = weights + (q + r) * weights_stride;
          if (call.dropout.active()) {
            drop_factors(mask_of(call.dropout, first + q + r, head), round_up(call.keys, lanes), factors);
            by_lane[r] = exponentials<Dot, true>(row, call.keys, width, scale, shifts[q + r], factors, to);
          } else {
            by_lane[r] = exponentials<Dot, false>(row, call.keys, width, scale, shifts[q + r], nullptr, to);
          }
        }
        store(inverses + q, 1 / reduce_rows(by_lane, [](F a, F b) __attribute__((always_inline)) { return a + b; }));
      }
      if (call.softmax != nullptr) {
        for (int64_t q = 0; q < count; ++q) {
          store_as(call.softmax + 2 * ((first + q) * call.heads + head), Softmax{shifts[q], inverses[q]});
        }
      }
      for (int64_t column = 0; column < value_width; column += panel_width) {
        product.multiply(count, weights, weights_stride, values + column * value_steps * 4, value_steps,
                         context + column, context_stride, false);
      }
      product.flush();
      for (int64_t q = 0; q < count; ++q) {
        store_context<Dot>(call.output.row(first + q) + offset, context + q * context_stride, call.head_size,
                           inverses[q]);
      }
    }
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
