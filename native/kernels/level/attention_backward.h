#pragma once

// Attention's gradients of one sequence. The weights are recomputed from each row's saved shift and sum with the
// forward's products: they have the same bits, and no matrix of scores is stored (Dao et al. 2022). A few queries are
// taken at a time, so that their scores and gradients stay cached. Both are transposed once, and the gradients of keys
// and values are products over queries, summed beside the panels.

#include "kernels/level/attention.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Parameters of a query's row: from scores to weights after dropout and to the scores' gradients.
struct RowGradient {
  int64_t keys;
  int64_t width;  // padded with zeros to this
  float to_powers_of_two;
  float scale;  // 1 / √head_size
  Softmax softmax;
  const float* factors;  // dropout's
};

/// Overwrites `scores` and `slopes`, which hold the weights' gradients.
template <class Dot, bool drops>
RD_INLINE void row_gradient(const RowGradient& row, float* scores, float* slopes, char* weights_to, char* slopes_to) {
  const I tail = first_lanes(row.keys - row.keys / lanes * lanes);
  F sum{};
  for (int64_t i = 0; i < row.keys; i += lanes) {
    const I inside = i + lanes <= row.keys ? broadcast(-1) : tail;
    F weight =
        exp2_negative(min(load(scores + i) * row.to_powers_of_two - row.softmax.shift, F{})) * row.softmax.inverse;
    F gradient = load(slopes + i);
    weight = inside ? weight : F{};
    gradient = inside ? gradient : F{};
    F kept = weight;
    if constexpr (drops) {
      const F factors = inside ? load(row.factors + i) : F{};
      gradient *= factors;
      kept *= factors;
    }
    sum += weight * gradient;
    store(scores + i, weight);
    store(slopes + i, gradient);
    store_values(Dot{}, weights_to, i, kept);
  }
  const float delta = sum_of(sum);
  int64_t i = 0;
  for (; i < row.keys; i += lanes) {
    store_values(Dot{}, slopes_to, i, row.scale * load(scores + i) * (load(slopes + i) - delta));
  }
  for (; i < row.width; i += lanes) store_values(Dot{}, slopes_to, i, F{});
}

/// Transposes rows by query into rows by key, with zeros after the last query.
template <class Dot>
RD_INLINE void transpose_rows(const char* from, int64_t from_stride, int64_t queries, int64_t keys, char* to,
                              int64_t to_stride) {
  constexpr int64_t group = Dot::group;
  const auto load_groups = [&](int64_t row, int64_t key) __attribute__((always_inline)) {
    const char* const first = from + row * group * from_stride;
    return interleaved(Dot{}, first, group == 2 && row * group + 1 < queries ? first + from_stride : nullptr, key);
  };
  transpose_groups((queries + group - 1) / group, keys, to, to_stride, load_groups);
}

template <class Product, class Dot>
static void attention_backward(const AttentionBackwardCall& call) {
  constexpr int64_t bytes = sizeof(typename Dot::Number), group = Dot::group;
  const auto steps_of = [](int64_t numbers) { return round_up((numbers + group - 1) / group, step_multiple); };
  const int64_t size = call.head_size, keys = call.keys;
  const int64_t size_steps = steps_of(size), key_steps = steps_of(keys);
  const int64_t key_width = round_up(keys, panel_width), width = round_up(size, panel_width);
  const int64_t rows_stride = key_width + 16, sums_stride = width + 16;                    // of float32 numbers
  const int64_t typed_stride = round_up(key_steps * 4, 64) + 64, transposed_stride = 192;  // of bytes
  const int64_t zeros_to = round_up(key_steps * group, lanes);

  char* free = call.scratch;
  const auto take = [&free](int64_t size_in_bytes) __attribute__((always_inline)) {
    char* const taken = free;
    free += round_up(size_in_bytes, 64);
    return taken;
  };
  const auto take_floats = [&take](int64_t count)
                               __attribute__((always_inline)) { return reinterpret_cast<float*>(take(4 * count)); };
  char* const key_outputs = take(key_width * size_steps * 4);
  char* const value_outputs = take(key_width * size_steps * 4);
  char* const key_rows = take(width * key_steps * 4);
  float* const key_sums = take_floats(keys * sums_stride);
  float* const value_sums = take_floats(keys * sums_stride);
  float* const scores = take_floats(queries_at_once * rows_stride);
  float* const slopes = take_floats(queries_at_once * rows_stride);
  char* const weights = take(queries_at_once * typed_stride);
  char* const typed_slopes = take(queries_at_once * typed_stride);
  char* const transposed_weights = take(keys * transposed_stride);
  char* const transposed_slopes = take(keys * transposed_stride);
  char* const query_rows = take(width * steps_of(queries_at_once) * 4);
  char* const gradient_rows = take(width * steps_of(queries_at_once) * 4);
  float* const query_sums = take_floats(queries_at_once * sums_stride);
  float* const factors = take_floats(key_width);

  const float powers = to_powers_of_two(size);
  Product product;
  for (int64_t head = 0; head < call.heads; ++head) {
    const int64_t offset = head * size * bytes;
    pack_as_outputs<Dot>(call.key, keys, offset, size, size_steps, key_outputs);
    pack_as_outputs<Dot>(call.value, keys, offset, size, size_steps, value_outputs);
    pack_as_steps<Dot>(call.key, keys, offset, size, key_steps, key_rows);
    for (int64_t first = 0; first < call.queries; first += queries_at_once) {
      const int64_t count = min(queries_at_once, call.queries - first);
      const Rows queries = {call.query.row(first), call.query.stride};
      const Rows gradients = {call.gradient.row(first), call.gradient.stride};
      for (int64_t key = 0; key < key_width; key += panel_width) {
        product.multiply(count, queries.data + offset, queries.stride, key_outputs + key * size_steps * 4, size_steps,
                         scores + key, rows_stride, false);
        product.multiply(count, gradients.data + offset, gradients.stride, value_outputs + key * size_steps * 4,
                         size_steps, slopes + key, rows_stride, false);
      }
      product.flush();
      for (int64_t q = 0; q < count; ++q) {
        const RowGradient row = {keys,
                                 zeros_to,
                                 powers,
                                 1 / __builtin_sqrtf(static_cast<float>(size)),
                                 load_as<Softmax>(call.softmax + 2 * ((first + q) * call.heads + head)),
                                 factors};
        if (call.dropout.active()) {
          drop_factors(mask_of(call.dropout, first + q, head), keys, factors);
          row_gradient<Dot, true>(row, scores + q * rows_stride, slopes + q * rows_stride, weights + q * typed_stride,
                                  typed_slopes + q * typed_stride);
        } else {
          row_gradient<Dot, false>(row, scores + q * rows_stride, slopes + q * rows_stride, weights + q * typed_stride,
                                   typed_slopes + q * typed_stride);
        }
      }
      const int64_t query_steps = steps_of(count);
      pack_as_steps<Dot>(queries, count, offset, size, query_steps, query_rows);
      pack_as_steps<Dot>(gradients, count, offset, size, query_steps, gradient_rows);
      transpose_rows<Dot>(weights, typed_stride, count, keys, transposed_weights, transposed_stride);
      transpose_rows<Dot>(typed_slopes, typed_stride, count, keys, transposed_slopes, transposed_stride);
      for (int64_t c = 0; c < width; c += panel_width) {
        product.multiply(keys, transposed_weights, transposed_stride, gradient_rows + c * query_steps * 4, query_steps,
                         value_sums + c, sums_stride, first > 0);
        product.multiply(keys, transposed_slopes, transposed_stride, query_rows + c * query_steps * 4, query_steps,
                         key_sums + c, sums_stride, first > 0);
        product.multiply(count, typed_slopes, typed_stride, key_rows + c * key_steps * 4, key_steps, query_sums + c,
                         sums_stride, false);
      }
      product.flush();
      for (int64_t q = 0; q < count; ++q) {
        store_context<Dot>(call.query_gradient.row(first + q) + offset, query_sums + q * sums_stride, size, 1);
      }
    }
    for (int64_t k = 0; k < keys; ++k) {
      store_context<Dot>(call.key_gradient.row(k) + offset, key_sums + k * sums_stride, size, 1);
      store_context<Dot>(call.value_gradient.row(k) + offset, value_sums + k * sums_stride, size, 1);
    }
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
