#pragma once

// What each kernel computes, said as plainly as possible, in float64: the oracle of their tests.

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace rank_distillm::plain {

/// [rows, columns], row by row.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> values;

  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double& at(int64_t r, int64_t c) { return values[r * columns + c]; }
  double at(int64_t r, int64_t c) const { return values[r * columns + c]; }
};

inline double activated(double x, TileEnd end) {
  switch (end) {
    case TileEnd::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case TileEnd::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case TileEnd::relu:
      return x > 0 ? x : 0;
    case TileEnd::none:
      break;
  }
  return x;
}

/// end(input · weightᵀ + bias), weight [out, in].
inline Matrix linear(const Matrix& input, const Matrix& weight, const std::vector<double>& bias, TileEnd end) {
  Matrix output(input.rows, weight.rows);
  for (int64_t r = 0; r < input.rows; ++r) {
    for (int64_t o = 0; o < weight.rows; ++o) {
      double sum = bias[o];
      for (int64_t i = 0; i < input.columns; ++i) sum += input.at(r, i) * weight.at(o, i);
      output.at(r, o) = activated(sum, end);
    }
  }
  return output;
}

/// softmax(Q Kᵀ / √d) V for heads that stand side by side.
inline Matrix attention(const Matrix& query, const Matrix& key, const Matrix& value, int64_t heads) {
  const int64_t size = query.columns / heads;
  Matrix output(query.rows, query.columns);
  std::vector<double> weights(key.rows);
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t q = 0; q < query.rows; ++q) {
      double greatest = -HUGE_VAL, total = 0;
      for (int64_t k = 0; k < key.rows; ++k) {
        double score = 0;
        for (int64_t c = h * size; c < (h + 1) * size; ++c) score += query.at(q, c) * key.at(k, c);
        weights[k] = score / std::sqrt(static_cast<double>(size));
        greatest = std::fmax(greatest, weights[k]);
      }
      for (auto& weight : weights) total += weight = std::exp(weight - greatest);
      for (int64_t c = h * size; c < (h + 1) * size; ++c) {
        double sum = 0;
        for (int64_t k = 0; k < key.rows; ++k) sum += weights[k] * value.at(k, c);
        output.at(q, c) = sum / total;
      }
    }
  }
  return output;
}

inline Matrix layer_norm(const Matrix& input, const std::vector<double>& weight, const std::vector<double>& bias,
                         double eps) {
  Matrix output(input.rows, input.columns);
  const auto size = static_cast<double>(input.columns);
  for (int64_t r = 0; r < input.rows; ++r) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < input.columns; ++c) mean += input.at(r, c) / size;
    for (int64_t c = 0; c < input.columns; ++c) variance += std::pow(input.at(r, c) - mean, 2) / size;
    for (int64_t c = 0; c < input.columns; ++c) {
      output.at(r, c) = (input.at(r, c) - mean) / std::sqrt(variance + eps) * weight[c] + bias[c];
    }
  }
  return output;
}

}  // namespace rank_distillm::plain
