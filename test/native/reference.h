#pragma once

// Float64 references for the kernels of native/kernels, written as plain loops. Compiled once, without sanitizers.

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace rank_distillm::reference {

/// [rows, columns], row by row.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double* row(int64_t r) { return values.data() + r * columns; }
  const double* row(int64_t r) const { return values.data() + r * columns; }
  double& at(int64_t r, int64_t c) { return values[r * columns + c]; }
  double at(int64_t r, int64_t c) const { return values[r * columns + c]; }
};

Matrix transposed(const Matrix& matrix);

/// a · b.
Matrix product(const Matrix& a, const Matrix& b);

double activated(double x, Epilogue activation);

/// The derivative of `activated`.
double slope(double x, Epilogue activation);

/// Rows times the Walsh-Hadamard matrix over groups of 8 neighbours and over up to 8 equal shares of the row. `shares`
/// is the largest power of two up to 8 that makes each share a multiple of 16 numbers; rows for which there is none
/// are returned unchanged.
Matrix rotated(const Matrix& input);

/// activation(input · weightᵀ + bias), weight [out, in].
Matrix linear(const Matrix& input, const Matrix& weight, const std::vector<double>& bias, Epilogue activation);

/// Dropout's factor for a row's value at `column`.
double dropout_factor(const DropoutMask& mask, int64_t column);

struct AttentionInputs {
  Matrix query, key, value;
  int64_t heads;
  DropoutMask dropout = {};
};

/// dropout(softmax(Q Kᵀ / √d)) V, the heads side by side in each row.
Matrix attention(const AttentionInputs& inputs);

struct AttentionGradients {
  Matrix query, key, value;
};

/// The gradients of `attention`'s inputs from that of its output.
AttentionGradients attention_backward(const AttentionInputs& inputs, const Matrix& gradient);

Matrix layer_norm(const Matrix& input, const std::vector<double>& weight, const std::vector<double>& bias, double eps);

}  // namespace rank_distillm::reference
