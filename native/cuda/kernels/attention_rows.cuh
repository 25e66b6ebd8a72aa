#pragma once

// Attention without tensor cores, for float32 and for heads too large for attention_tiles.cuh: a warp takes one row of
// one head. Scores of 32 rows of the other side at a time, one a lane; then each lane adds up its share of the head's
// columns.

#include "cuda/kernels/numbers.cuh"
#include "cuda/kernels/philox.cuh"

namespace rank_distillm::cuda {

constexpr int row_warps = 4;
/// Most columns per lane: heads of up to 256.
constexpr int lane_columns = 8;
constexpr int max_head_size = lane_columns * warp_lanes;

/// One row of one head.
template <typename T>
RD_DEVICE const T* head_row(const HeadRows& rows, int64_t row, int head, int head_size) {
  return static_cast<const T*>(rows.data) + row * rows.stride + static_cast<int64_t>(head) * head_size;
}

template <typename T>
RD_DEVICE float dot(const T* a, const T* b, int size) {
  float sum = 0;
  for (int i = 0; i < size; ++i) sum += to_float(a[i]) * to_float(b[i]);
  return sum;
}

RD_DEVICE float drop_weight(const DropRows& dropout, int sequence, int query, int key, int head) {
  if (dropout.threshold == 0) return 1.0F;
  float four[4];
  const RowMask mask = {static_cast<uint32_t>(query), static_cast<uint32_t>(dropout.pairs[sequence])};
  drop_factors(dropout, mask, static_cast<uint32_t>(head), static_cast<uint32_t>(key / 4), four);
  return four[key % 4];
}

/// sums += Σ weight of lane i · row i.
template <typename T>
RD_DEVICE void add_rows(float (&sums)[lane_columns], float weight, const HeadRows& rows, int64_t first, int count,
                        int head, int head_size) {
  for (int i = 0; i < count; ++i) {
    const float of_row = shuffle(weight, i);
    const auto* row = head_row<T>(rows, first + i, head, head_size);
#pragma unroll
    for (int c = 0; c < lane_columns; ++c) {
      const int column = c * warp_lanes + lane_index();
      if (column < head_size) sums[c] += of_row * to_float(row[column]);
    }
  }
}

template <typename T>
RD_DEVICE void store_head_row(const HeadRowsOut& rows, const float (&sums)[lane_columns], int64_t row, int head,
                              int head_size) {
  auto* of_row = static_cast<T*>(rows.data) + row * rows.stride + static_cast<int64_t>(head) * head_size;
#pragma unroll
  for (int c = 0; c < lane_columns; ++c) {
    const int column = c * warp_lanes + lane_index();
    if (column < head_size) of_row[column] = from_float<T>(sums[c]);
  }
}

/// The row that this warp takes, of a tile's 64; false beyond them.
struct WarpRow {
  int sequence;
  int place;    // in its sequence
  int64_t row;  // of all rows
};

RD_DEVICE bool next_row(const int32_t* tiles, const int32_t* offsets, int step, WarpRow& own) {
  const int sequence = tiles[2 * block_x()], within = step * row_warps + warp_index();
  const int place = tiles[2 * block_x() + 1] + within;
  own = {sequence, place, offsets[sequence] + static_cast<int64_t>(place)};
  return within < attention_tile && own.row < offsets[sequence + 1];
}

RD_DEVICE int rows_left(int count, int done) { return count - done < warp_lanes ? count - done : warp_lanes; }

template <typename T>
RD_KERNEL void attention_rows_forward_kernel(AttentionForward call) {
  const auto& shape = call.shape;
  const int head = block_y(), size = shape.head_size;
  const float scale = 1.0F / sqrtf(static_cast<float>(size));
  WarpRow own;
  for (int step = 0; next_row(shape.query_tiles, shape.query_offsets, step, own); ++step) {
    const int64_t first_key = shape.key_offsets[own.sequence];
    const int key_count = static_cast<int>(shape.key_offsets[own.sequence + 1] - first_key);
    const auto* query = head_row<T>(call.query, own.row, head, size);
    float sums[lane_columns] = {}, greatest = -INFINITY, total = 0;
    for (int done = 0; done < key_count; done += warp_lanes) {
      const int left = rows_left(key_count, done);
      float score = -INFINITY;
      if (lane_index() < left)
        score = scale * dot(query, head_row<T>(call.key, first_key + done + lane_index(), head, size), size);
      const float most = fmaxf(greatest, warp_max(score)), shrink = expf(greatest - most);
      float weight = expf(score - most);
      total = total * shrink + warp_sum(weight);
      greatest = most;
      weight *= drop_weight(shape.dropout, own.sequence, own.place, done + lane_index(), head);
#pragma unroll
      for (int c = 0; c < lane_columns; ++c) sums[c] *= shrink;
      add_rows<T>(sums, weight, call.value, first_key + done, left, head, size);
    }
#pragma unroll
    for (int c = 0; c < lane_columns; ++c) sums[c] /= total;
    if (call.log_sums != nullptr && lane_index() == 0)
      call.log_sums[own.row * shape.heads + head] = greatest + logf(total);
    store_head_row<T>(call.context, sums, own.row, head, size);
  }
}

template <typename T>
RD_KERNEL void attention_rows_backward_queries_kernel(AttentionBackward call) {
  const auto& shape = call.shape;
  const int head = block_y(), size = shape.head_size;
  const float scale = 1.0F / sqrtf(static_cast<float>(size));
  WarpRow own;
  for (int step = 0; next_row(shape.query_tiles, shape.query_offsets, step, own); ++step) {
    const int64_t first_key = shape.key_offsets[own.sequence];
    const int key_count = static_cast<int>(shape.key_offsets[own.sequence + 1] - first_key);
    const auto* query = head_row<T>(call.query, own.row, head, size);
    const auto* gradient = head_row<T>(call.gradient, own.row, head, size);
    const int64_t number = own.row * shape.heads + head;
    float sums[lane_columns] = {};
    for (int done = 0; done < key_count; done += warp_lanes) {
      const int left = rows_left(key_count, done);
      float slope = 0;
      if (lane_index() < left) {
        const int64_t key = first_key + done + lane_index();
        const float weight =
            expf(scale * dot(query, head_row<T>(call.key, key, head, size), size) - call.log_sums[number]);
        const float factor = drop_weight(shape.dropout, own.sequence, own.place, done + lane_index(), head);
        slope = weight * scale *
                (factor * dot(gradient, head_row<T>(call.value, key, head, size), size) - call.delta[number]);
      }
      add_rows<T>(sums, slope, call.key, first_key + done, left, head, size);
    }
    store_head_row<T>(call.query_gradient, sums, own.row, head, size);
  }
}

template <typename T>
RD_KERNEL void attention_rows_backward_keys_kernel(AttentionBackward call) {
  const auto& shape = call.shape;
  const int head = block_y(), size = shape.head_size;
  const float scale = 1.0F / sqrtf(static_cast<float>(size));
  WarpRow own;
  for (int step = 0; next_row(shape.key_tiles, shape.key_offsets, step, own); ++step) {
    const int64_t first_query = shape.query_offsets[own.sequence];
    const int query_count = static_cast<int>(shape.query_offsets[own.sequence + 1] - first_query);
    const auto* key = head_row<T>(call.key, own.row, head, size);
    const auto* value = head_row<T>(call.value, own.row, head, size);
    float key_sums[lane_columns] = {}, value_sums[lane_columns] = {};
    for (int done = 0; done < query_count; done += warp_lanes) {
      const int left = rows_left(query_count, done);
      float slope = 0, dropped = 0;
      if (lane_index() < left) {
        const int64_t query = first_query + done + lane_index(), number = query * shape.heads + head;
        const float weight =
            expf(scale * dot(head_row<T>(call.query, query, head, size), key, size) - call.log_sums[number]);
        const float factor = drop_weight(shape.dropout, own.sequence, done + lane_index(), own.place, head);
        const float above = dot(head_row<T>(call.gradient, query, head, size), value, size);
        slope = weight * scale * (factor * above - call.delta[number]);
        dropped = weight * factor;
      }
      add_rows<T>(key_sums, slope, call.query, first_query + done, left, head, size);
      add_rows<T>(value_sums, dropped, call.gradient, first_query + done, left, head, size);
    }
    store_head_row<T>(call.key_gradient, key_sums, own.row, head, size);
    store_head_row<T>(call.value_gradient, value_sums, own.row, head, size);
  }
}

/// delta = Σ context · gradient of each row and head.
template <typename T>
RD_KERNEL void attention_delta_kernel(AttentionBackward call) {
  const auto& shape = call.shape;
  const int head = block_y(), size = shape.head_size;
  WarpRow own;
  for (int step = 0; next_row(shape.query_tiles, shape.query_offsets, step, own); ++step) {
    const auto* context = head_row<T>(call.context, own.row, head, size);
    const auto* gradient = head_row<T>(call.gradient, own.row, head, size);
    float sum = 0;
    for (int i = lane_index(); i < size; i += warp_lanes) sum += to_float(context[i]) * to_float(gradient[i]);
    sum = warp_sum(sum);
    if (lane_index() == 0) call.delta[own.row * shape.heads + head] = sum;
  }
}

}  // namespace rank_distillm::cuda
