// Residual + LayerNorm with dropout of the branch, and its backward. One pass over memory each: backward recomputes the
// forward's values from the normalized row. Reference: cuda/ops/norm.cc.

#include "cuda/kernels/norm_rows.cuh"
#include "cuda/kernels/philox.cuh"

namespace rank_distillm::cuda {
namespace {

template <typename T, typename S, int chunks, bool vector>
RD_KERNEL void forward_kernel(NormForward call) {
  const int64_t row = static_cast<int64_t>(block_x()) * norm_warps + warp_index();
  if (row >= call.rows) return;
  const int columns = call.columns;
  const auto* branch = static_cast<const T*>(call.branch) + row * columns;
  const auto* residual = static_cast<const S*>(call.residual) + row * columns;
  float values[chunks][vector_size] = {};
  RowMask mask = {};
  if (call.dropout.threshold > 0) mask = mask_of_row(call.dropout, row);
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
    const int column = column_of(c), count = columns - column;
    if (count <= 0) continue;
    float stream[vector_size];
    load<vector>(branch + column, count, values[c]);
    load<vector>(residual + column, count, stream);
    if (call.dropout.threshold > 0) drop_eight(call.dropout, mask, column, values[c]);
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[c][i] += stream[i];
  }
  const float scale = normalize(values, columns, call.eps);
  if (call.scale != nullptr && lane_index() == 0) call.scale[row] = scale;
  store_row<vector>(row_of<T>(call.normalized, row, columns), values, columns);
  weigh<vector>(values, call.weight, call.bias, columns);
  store_row<vector>(row_of<S>(call.exact, row, columns), values, columns);
  store_row<vector>(row_of<T>(call.copy, row, columns), values, columns);
}

/// Each block takes every parts-th group of rows; its lanes keep the sums of their columns, so that they are added up
/// in one order.
template <typename T, int chunks, bool vector>
RD_KERNEL void backward_kernel(NormBackward call) {
  constexpr int room = chunks * warp_lanes * vector_size;
  RD_SHARED(float, totals, 2 * room);
  const int columns = call.columns;
  float weight_sums[chunks][vector_size] = {}, bias_sums[chunks][vector_size] = {};
  const int64_t step = static_cast<int64_t>(blocks_x()) * norm_warps;
  for (int64_t row = static_cast<int64_t>(block_x()) * norm_warps + warp_index(); row < call.rows; row += step) {
    auto* gradient = call.gradient + row * columns;
    const auto* normalized = static_cast<const T*>(call.normalized) + row * columns;
    const auto* more = call.more == nullptr ? nullptr : static_cast<const T*>(call.more) + row * columns;
    float slopes[chunks][vector_size] = {}, places[chunks][vector_size] = {};
    float sum = 0, product_sum = 0;
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      const int column = column_of(c), count = columns - column;
      if (count <= 0) continue;
      float weights[vector_size];
      load<vector>(gradient + column, count, slopes[c]);
      if (more != nullptr) {
        float added[vector_size];
        load<vector>(more + column, count, added);
#pragma unroll
        for (int i = 0; i < vector_size; ++i) slopes[c][i] += added[i];
      }
      load<vector>(normalized + column, count, places[c]);
      load<vector>(call.weight + column, count, weights);
#pragma unroll
      for (int i = 0; i < vector_size; ++i) {
        weight_sums[c][i] += slopes[c][i] * places[c][i];
        bias_sums[c][i] += slopes[c][i];
        slopes[c][i] *= weights[i];
        sum += slopes[c][i];
        product_sum += slopes[c][i] * places[c][i];
      }
    }
    const float mean = warp_sum(sum) / static_cast<float>(columns);
    const float mean_product = warp_sum(product_sum) / static_cast<float>(columns);
    const float scale = call.scale[row];
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
#pragma unroll
      for (int i = 0; i < vector_size; ++i) slopes[c][i] = scale * (slopes[c][i] - mean - places[c][i] * mean_product);
    }
    store_row<vector>(gradient, slopes, columns);
    if (call.branch == nullptr) continue;
    if (call.dropout.threshold > 0) {
      const auto mask = mask_of_row(call.dropout, row);
#pragma unroll
      for (int c = 0; c < chunks; ++c) {
        if (column_of(c) < columns) drop_eight(call.dropout, mask, column_of(c), slopes[c]);
      }
    }
    store_row<vector>(row_of<T>(call.branch, row, columns), slopes, columns);
  }
  for (int warp = 0; warp < norm_warps; ++warp) {
    if (warp == warp_index()) {
#pragma unroll
      for (int c = 0; c < chunks; ++c) {
#pragma unroll
        for (int i = 0; i < vector_size; ++i) {
          const int column = column_of(c) + i;
          totals[column] = (warp == 0 ? 0.0F : totals[column]) + weight_sums[c][i];
          totals[room + column] = (warp == 0 ? 0.0F : totals[room + column]) + bias_sums[c][i];
        }
      }
    }
    synchronize_block();
  }
  auto* sums = call.sums + static_cast<int64_t>(block_x()) * 2 * columns;
  for (int column = thread_index(); column < columns; column += block_threads()) {
    sums[column] = totals[column];
    sums[columns + column] = totals[room + column];
  }
}

}  // namespace

void norm_forward(const NormForward& call, Stream stream) {
  const bool vector = reads_vectors(call.columns, call.columns, call.branch, call.residual, call.weight, call.bias,
                                    call.exact, call.copy, call.normalized);
  with_type(call.compute, [&](auto compute) {
    with_type(call.stream, [&](auto residual) {
      with_columns(call.columns, vector, [&](auto chunks, auto by_vectors) {
        launch(forward_kernel<decltype(compute), decltype(residual), chunks.value, by_vectors.value>,
               {(call.rows + norm_warps - 1) / norm_warps}, norm_warps * warp_lanes, stream, call);
      });
    });
  });
}

void norm_backward(const NormBackward& call, Stream stream) {
  const bool vector =
      reads_vectors(call.columns, call.columns, call.gradient, call.more, call.normalized, call.weight, call.branch);
  with_type(call.compute, [&](auto compute) {
    with_columns(call.columns, vector, [&](auto chunks, auto by_vectors) {
      launch(backward_kernel<decltype(compute), chunks.value, by_vectors.value>, {call.parts}, norm_warps * warp_lanes,
             stream, call);
    });
  });
}

}  // namespace rank_distillm::cuda
