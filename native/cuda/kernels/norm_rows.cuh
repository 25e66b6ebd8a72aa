#pragma once

// Rows of a LayerNorm: a warp holds a row in its registers, eight numbers a lane at a time, so that a row is read once
// and no warp waits for another.

#include <type_traits>

#include "cuda/kernels/numbers.cuh"

namespace rank_distillm::cuda {

constexpr int norm_warps = 4;  // of a block

/// The first column of this lane's numbers of the chunk.
RD_DEVICE int column_of(int chunk) { return (chunk * warp_lanes + lane_index()) * vector_size; }

/// A normalized row's numbers of one lane: values → (values - mean) · scale; returns the scale.
template <int chunks>
RD_DEVICE float normalize(float (&values)[chunks][vector_size], int columns, float eps) {
  float sum = 0;
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) sum += values[c][i];  // 0 beyond the columns
  }
  const float mean = warp_sum(sum) / static_cast<float>(columns);
  float squares = 0;
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) {
      values[c][i] -= mean;
      if (column_of(c) + i < columns) squares += values[c][i] * values[c][i];
    }
  }
  const float scale = 1.0F / sqrtf(warp_sum(squares) / static_cast<float>(columns) + eps);
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[c][i] *= scale;
  }
  return scale;
}

/// values → values · weight + bias.
template <bool vector, int chunks>
RD_DEVICE void weigh(float (&values)[chunks][vector_size], const float* weight, const float* bias, int columns) {
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
    const int column = column_of(c), count = columns - column;
    if (count <= 0) continue;
    float weights[vector_size], biases[vector_size];
    load<vector>(weight + column, count, weights);
    load<vector>(bias + column, count, biases);
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[c][i] = values[c][i] * weights[i] + biases[i];
  }
}

template <bool vector, int chunks, typename T>
RD_DEVICE void store_row(T* row, const float (&values)[chunks][vector_size], int columns) {
  if (row == nullptr) return;
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
    const int column = column_of(c), count = columns - column;
    if (count > 0) store<vector>(row + column, count, values[c]);
  }
}

/// Row `row` of a tensor, or null.
template <typename T>
RD_DEVICE T* row_of(void* data, int64_t row, int columns) {
  return data == nullptr ? nullptr : static_cast<T*>(data) + row * columns;
}

/// Calls `body` with the columns' compile-time constants: body(chunks, vector).
template <typename Body>
void with_columns(int columns, bool vector, const Body& body) {
  const auto call = [&](auto chunks) {
    if (vector) {
      body(chunks, std::true_type());
    } else {
      body(chunks, std::false_type());
    }
  };
  const int needed = (columns + warp_lanes * vector_size - 1) / (warp_lanes * vector_size);
  if (needed <= 1) return call(std::integral_constant<int, 1>());
  if (needed <= 2) return call(std::integral_constant<int, 2>());
  if (needed <= 3) return call(std::integral_constant<int, 3>());
  if (needed <= 4) return call(std::integral_constant<int, 4>());
  if (needed <= 8) return call(std::integral_constant<int, 8>());
  return call(std::integral_constant<int, 16>());
}

}  // namespace rank_distillm::cuda
