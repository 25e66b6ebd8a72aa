#pragma once

// Attention's backward on tensor cores, see attention_tiles.cuh: one kernel for the gradients of queries, one for those
// of keys and values, so that every sum has one owner and one order. Both recompute the weights from the logarithms of
// the forward's sums.

#include "cuda/kernels/attention_tiles.cuh"

namespace rank_distillm::cuda {

/// The two numbers of a row for its weights and their gradients: log Σ exp, times log2 e, and Σ context · gradient.
struct RowNumbers {
  float log_sum;
  float delta;
};

/// 0 beyond the rows: their queries or gradients are 0, so that nothing is added.
RD_DEVICE RowNumbers row_numbers(const AttentionBackward& call, int64_t row, bool there, int head) {
  if (!there) return {0, 0};
  const int64_t place = row * call.shape.heads + head;
  return {call.log_sums[place] * log2_e, call.delta[place]};
}

template <int size, bool vector>
RD_KERNEL void attention_backward_queries_kernel(AttentionBackward call) {
  RD_SHARED(Bf16, keys, attention_tile * padded_size<size>);
  RD_SHARED(Bf16, values, attention_tile * padded_size<size>);
  const auto& shape = call.shape;
  const int head = block_y();
  const Tile tile = tile_of(shape.query_tiles, shape.query_offsets);
  const int64_t first_key = shape.key_offsets[tile.sequence];
  const int key_count = static_cast<int>(shape.key_offsets[tile.sequence + 1] - first_key);
  const float scale = 1.0F / sqrtf(static_cast<float>(shape.head_size));

  uint32_t queries[size / 16][4], gradients[size / 16][4];
  load_chunk<size, vector>(keys, call.query, tile.first, tile.rows, head, shape.head_size);
  load_chunk<size, vector>(values, call.gradient, tile.first, tile.rows, head, shape.head_size);
  synchronize_block();
  rows_as_a<size>(queries, keys);
  rows_as_a<size>(gradients, values);
  RowNumbers numbers[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp_index() * warp_rows + lane_row() + half * 8;
    numbers[half] = row_numbers(call, tile.first + row, row < tile.rows, head);
  }

  float sums[size / 8][4] = {};
  for (int done = 0; done < key_count; done += attention_tile) {
    const int left = key_count - done;
    synchronize_block();
    load_chunk<size, vector>(keys, call.key, first_key + done, left, head, shape.head_size);
    load_chunk<size, vector>(values, call.value, first_key + done, left, head, shape.head_size);
    synchronize_block();
    if (is_idle(tile)) continue;
    float weights[8][4], slopes[8][4];
    multiply_transposed<size>(weights, queries, keys);
    multiply_transposed<size>(slopes, gradients, values);
    if (shape.dropout.threshold > 0) {
      const uint32_t kept =
          kept_weights(shape.dropout, tile.sequence, tile.place + warp_index() * warp_rows, done, head);
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) slopes[n][i] = if_kept(kept, n, i, slopes[n][i]) * shape.dropout.kept;
      }
    }
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool there = n * 8 + lane_pair() + i % 2 < left;
        const float weight = there ? exp2f(weights[n][i] * scale * log2_e - numbers[i / 2].log_sum) : 0.0F;
        slopes[n][i] = weight * (slopes[n][i] - numbers[i / 2].delta) * scale;
      }
    }
    add_product<size>(sums, slopes, keys);
  }
  store_rows<size, vector>(call.query_gradient, sums, tile.first, tile.rows, head, shape.head_size);
}

/// Keys are the rows here and queries the columns.
template <int size, bool vector>
RD_KERNEL void attention_backward_keys_kernel(AttentionBackward call) {
  RD_SHARED(Bf16, queries, attention_tile * padded_size<size>);
  RD_SHARED(Bf16, gradients, attention_tile * padded_size<size>);
  RD_SHARED(RowNumbers, numbers, attention_tile);
  const auto& shape = call.shape;
  const int head = block_y();
  const Tile tile = tile_of(shape.key_tiles, shape.key_offsets);
  const int64_t first_query = shape.query_offsets[tile.sequence];
  const int query_count = static_cast<int>(shape.query_offsets[tile.sequence + 1] - first_query);
  const float scale = 1.0F / sqrtf(static_cast<float>(shape.head_size));

  uint32_t keys[size / 16][4], values[size / 16][4];
  load_chunk<size, vector>(queries, call.key, tile.first, tile.rows, head, shape.head_size);
  load_chunk<size, vector>(gradients, call.value, tile.first, tile.rows, head, shape.head_size);
  synchronize_block();
  rows_as_a<size>(keys, queries);
  rows_as_a<size>(values, gradients);

  float key_sums[size / 8][4] = {}, value_sums[size / 8][4] = {};
  for (int done = 0; done < query_count; done += attention_tile) {
    const int left = query_count - done;
    synchronize_block();
    load_chunk<size, vector>(queries, call.query, first_query + done, left, head, shape.head_size);
    load_chunk<size, vector>(gradients, call.gradient, first_query + done, left, head, shape.head_size);
    for (int i = thread_index(); i < attention_tile; i += tile_threads) {
      numbers[i] = row_numbers(call, first_query + done + i, i < left, head);
    }
    synchronize_block();
    if (is_idle(tile)) continue;
    float weights[8][4], slopes[8][4];
    multiply_transposed<size>(weights, keys, queries);
    multiply_transposed<size>(slopes, values, gradients);
    uint32_t kept = ~0U;
    if (shape.dropout.threshold > 0) {
      kept = kept_weights_transposed(shape.dropout, tile.sequence, done, tile.place + warp_index() * warp_rows, head);
    }
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = n * 8 + lane_pair() + i % 2;
        const float weight = column < left ? exp2f(weights[n][i] * scale * log2_e - numbers[column].log_sum) : 0.0F;
        const float slope = if_kept(kept, n, i, slopes[n][i]) * shape.dropout.kept;
        slopes[n][i] = weight * (slope - numbers[column].delta) * scale;
        weights[n][i] = if_kept(kept, n, i, weight);
      }
    }
    add_product<size>(value_sums, weights, gradients);
    add_product<size>(key_sums, slopes, queries);
  }
#pragma unroll
  for (int n = 0; n < size / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) value_sums[n][i] *= shape.dropout.kept;
  }
  store_rows<size, vector>(call.key_gradient, key_sums, tile.first, tile.rows, head, shape.head_size);
  store_rows<size, vector>(call.value_gradient, value_sums, tile.first, tile.rows, head, shape.head_size);
}

}  // namespace rank_distillm::cuda
