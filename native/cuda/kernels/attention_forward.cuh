#pragma once

// Attention's forward on tensor cores, see attention_tiles.cuh.

#include "cuda/kernels/attention_tiles.cuh"

namespace rank_distillm::cuda {

template <int size, bool vector>
RD_KERNEL void attention_forward_kernel(AttentionForward call) {
  RD_SHARED(Bf16, keys, attention_tile * padded_size<size>);
  RD_SHARED(Bf16, values, attention_tile * padded_size<size>);
  const auto& shape = call.shape;
  const int head = block_y();
  const Tile tile = tile_of(shape.query_tiles, shape.query_offsets);
  const int64_t first_key = shape.key_offsets[tile.sequence];
  const int key_count = static_cast<int>(shape.key_offsets[tile.sequence + 1] - first_key);
  const float to_exponent = log2_e / sqrtf(static_cast<float>(shape.head_size));

  uint32_t queries[size / 16][4];
  load_chunk<size, vector>(keys, call.query, tile.first, tile.rows, head, shape.head_size);
  synchronize_block();
  rows_as_a<size>(queries, keys);

  float sums[size / 8][4] = {}, greatest[2] = {-INFINITY, -INFINITY}, totals[2] = {};
  for (int done = 0; done < key_count; done += attention_tile) {
    const int left = key_count - done;
    synchronize_block();
    load_chunk<size, vector>(keys, call.key, first_key + done, left, head, shape.head_size);
    load_chunk<size, vector>(values, call.value, first_key + done, left, head, shape.head_size);
    synchronize_block();
    if (is_idle(tile)) continue;
    float weights[8][4];
    multiply_transposed<size>(weights, queries, keys);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float most = greatest[half];
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          weights[n][i] = n * 8 + lane_pair() + i % 2 < left ? weights[n][i] * to_exponent : -INFINITY;
          most = fmaxf(most, weights[n][i]);
        }
      }
      most = row_max(most);
      const float shrink = exp2f(greatest[half] - most);
      greatest[half] = most;
      totals[half] *= shrink;
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          weights[n][i] = exp2f(weights[n][i] - most);
          totals[half] += weights[n][i];
        }
      }
#pragma unroll
      for (int n = 0; n < size / 8; ++n) {
        sums[n][2 * half] *= shrink;
        sums[n][2 * half + 1] *= shrink;
      }
    }
    if (shape.dropout.threshold > 0) {
      const uint32_t kept =
          kept_weights(shape.dropout, tile.sequence, tile.place + warp_index() * warp_rows, done, head);
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) weights[n][i] = if_kept(kept, n, i, weights[n][i]);
      }
    }
    add_product<size>(sums, weights, values);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float total = row_sum(totals[half]), factor = shape.dropout.kept / total;
#pragma unroll
    for (int n = 0; n < size / 8; ++n) {
      sums[n][2 * half] *= factor;
      sums[n][2 * half + 1] *= factor;
    }
    const int row = warp_index() * warp_rows + lane_row() + half * 8;
    if (call.log_sums != nullptr && lane_pair() == 0 && row < tile.rows) {
      call.log_sums[(tile.first + row) * shape.heads + head] = (greatest[half] + log2f(total)) / log2_e;
    }
  }
  store_rows<size, vector>(call.context, sums, tile.first, tile.rows, head, shape.head_size);
}

}  // namespace rank_distillm::cuda
