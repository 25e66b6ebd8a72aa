// The three embeddings' sum and its LayerNorm in one pass, with dropout of the result. Reference:
// cuda/ops/embedding.cc.

#include "cuda/kernels/norm_rows.cuh"
#include "cuda/kernels/philox.cuh"

namespace rank_distillm::cuda {
namespace {

template <typename T, typename S, int chunks, bool vector>
RD_KERNEL void forward_kernel(EmbeddingForward call) {
  const int64_t row = static_cast<int64_t>(block_x()) * norm_warps + warp_index();
  if (row >= call.tokens) return;
  const int columns = call.columns;
  const auto* word = call.word + static_cast<int64_t>(call.ids[row]) * columns;
  const auto* position = call.position + static_cast<int64_t>(call.positions[row]) * columns;
  const auto* type = call.type + static_cast<int64_t>(call.types[row]) * columns;
  float values[chunks][vector_size] = {};
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
    const int column = column_of(c), count = columns - column;
    if (count <= 0) continue;
    float second[vector_size], third[vector_size];
    load<vector>(word + column, count, values[c]);
    load<vector>(position + column, count, second);
    load<vector>(type + column, count, third);
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[c][i] = values[c][i] + second[i] + third[i];
  }
  const float scale = normalize(values, columns, call.eps);
  if (call.scale != nullptr && lane_index() == 0) call.scale[row] = scale;
  store_row<vector>(row_of<T>(call.normalized, row, columns), values, columns);
  weigh<vector>(values, call.weight, call.bias, columns);
  if (call.dropout.threshold > 0) {
    const auto mask = mask_of_row(call.dropout, row);
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      if (column_of(c) < columns) drop_eight(call.dropout, mask, column_of(c), values[c]);
    }
  }
  store_row<vector>(row_of<S>(call.exact, row, columns), values, columns);
  store_row<vector>(row_of<T>(call.copy, row, columns), values, columns);
}

}  // namespace

void embedding_forward(const EmbeddingForward& call, Stream stream) {
  const bool vector = reads_vectors(call.columns, call.columns, call.word, call.position, call.type, call.weight,
                                    call.bias, call.exact, call.copy, call.normalized);
  with_type(call.compute, [&](auto compute) {
    with_type(call.stream, [&](auto residual) {
      with_columns(call.columns, vector, [&](auto chunks, auto by_vectors) {
        launch(forward_kernel<decltype(compute), decltype(residual), chunks.value, by_vectors.value>,
               {(call.tokens + norm_warps - 1) / norm_warps}, norm_warps * warp_lanes, stream, call);
      });
    });
  });
}

}  // namespace rank_distillm::cuda
