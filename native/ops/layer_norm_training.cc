#include "ops/layer_norm_training.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/row.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

RANK_DISTILLM_VECTORIZE
void multiply_to(const float* a, const float* b, float* product, int64_t n) {
  for (int64_t i = 0; i < n; ++i) product[i] = a[i] * b[i];
}

/// Sum of term(i) over [0, n), in lanes and in float64: a rounding of the mean would be in every value of the row, and
/// add up where rows are summed.
template <typename Term>
inline double lane_sum(int64_t n, const Term& term) {
  double lanes[vector_lanes] = {};
  int64_t i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    for (int lane = 0; lane < vector_lanes; ++lane) lanes[lane] += term(i + lane);
  }
  double total = 0;
  for (; i < n; ++i) total += term(i);
  for (const double lane : lanes) total += lane;
  return total;
}

/// values → (values - mean) · scale; returns the scale.
RANK_DISTILLM_VECTORIZE
float normalize(float* values, float eps, int64_t n) {
  const auto size = static_cast<double>(n);
  const auto mean = static_cast<float>(lane_sum(n, [=](int64_t i) { return values[i]; }) / size);
  const double variance = lane_sum(n, [=](int64_t i) { return (values[i] - mean) * (values[i] - mean); }) / size;
  const auto scale = static_cast<float>(1 / std::sqrt(variance + eps));
  for (int64_t i = 0; i < n; ++i) values[i] = (values[i] - mean) * scale;
  return scale;
}

RANK_DISTILLM_VECTORIZE
void weigh(const float* normalized, const float* weight, const float* bias, float* output, int64_t n) {
  for (int64_t i = 0; i < n; ++i) output[i] = normalized[i] * weight[i] + bias[i];
}

/// Replaces the output's gradient by that of the row before normalization: scale (g - mean(g) - x̂ mean(g x̂)) with
/// g = gradient · weight. Adds the row's part to the gradients of weight and bias.
RANK_DISTILLM_VECTORIZE
void backward_row(float* gradient, const float* normalized, float scale, const float* weight, float* weight_gradient,
                  float* bias_gradient, int64_t n) {
  const auto size = static_cast<double>(n);
  const auto mean = static_cast<float>(lane_sum(n, [=](int64_t i) { return gradient[i] * weight[i]; }) / size);
  const auto mean_product =
      static_cast<float>(lane_sum(n, [=](int64_t i) { return gradient[i] * weight[i] * normalized[i]; }) / size);
  for (int64_t i = 0; i < n; ++i) {
    weight_gradient[i] += gradient[i] * normalized[i];
    bias_gradient[i] += gradient[i];
    gradient[i] = scale * (gradient[i] * weight[i] - mean - normalized[i] * mean_product);
  }
}

/// Stores the branch's gradient of one row: after dropout, in its type.
void store_branch(const float* gradient, const NormGradientRows& rows, int64_t row, const Dropout& dropout, RowId id,
                  std::vector<float>& factors) {
  const auto n = static_cast<int64_t>(factors.size());
  const bool float32 = rows.branch_type == ElementType::float32;
  const float* values = gradient;
  if (dropout.active()) {
    dropout_factors(dropout, id, factors.data(), n);
    auto* target = float32 ? rows.branch.floats(row) : factors.data();
    multiply_to(gradient, factors.data(), target, n);
    values = target;
  }
  if (!float32) {
    round_row_to_bf16(values, reinterpret_cast<uint16_t*>(rows.branch.row(row)), n);
  } else if (values == gradient && rows.branch.data != rows.gradient.data) {
    std::memcpy(rows.branch.row(row), gradient, n * sizeof(float));
  }
}

}  // namespace

void residual_layer_norm_training(const NormRows& rows, const TrainableNorm& norm, const Dropout& dropout,
                                  const RowId* ids, const NormState& state) {
  const int64_t n = norm.columns;
  std::vector<float> factors(n);
  for (int64_t row = 0; row < rows.rows; ++row) {
    auto* values = state.normalized.floats(row);
    if (dropout.active()) {
      dropout_factors(dropout, ids[row], factors.data(), n);
      multiply_to(rows.branch.floats(row), factors.data(), values, n);
    } else {
      std::memcpy(values, rows.branch.row(row), n * sizeof(float));
    }
    if (rows.residual.data != nullptr) add_row(rows.residual.floats(row), values, n);
    state.scale[row] = normalize(values, norm.eps, n);
    weigh(values, norm.weight, norm.bias, rows.exact.floats(row), n);
    if (rows.copy.type == ElementType::bfloat16) {
      round_row_to_bf16(rows.exact.floats(row), reinterpret_cast<uint16_t*>(rows.copy.rows.row(row)), n);
    }
  }
}

void residual_layer_norm_backward(const NormGradientRows& rows, const TrainableNorm& norm, const Dropout& dropout,
                                  const RowId* ids, const NormState& state, float* sums) {
  const int64_t n = norm.columns;
  std::vector<float> factors(n);
  for (int64_t row = 0; row < rows.rows; ++row) {
    if (ids[row].token == 0) {
      if (row > 0) sums += 2 * n;
      std::fill_n(sums, 2 * n, 0.0F);
    }
    auto* values = rows.gradient.floats(row);
    backward_row(values, state.normalized.floats(row), state.scale[row], norm.weight, sums, sums + n, n);
    store_branch(values, rows, row, dropout, ids[row], factors);
  }
}

void add_norm_gradients(const TrainableNorm& norm, const float* sums, int64_t sequences) {
  for (int64_t s = 0; s < sequences; ++s, sums += 2 * norm.columns) {
    add_row(sums, norm.weight_gradient, norm.columns);
    add_row(sums + norm.columns, norm.bias_gradient, norm.columns);
  }
}

}  // namespace rank_distillm
