#include "ops/layer_norm_training.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "core/parallel.h"
#include "ops/bf16.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

/// Rows whose weight gradients are summed together, whatever the number of threads.
constexpr int64_t chunk_rows = 64;

/// A row of float32 or bf16 as float32.
RANK_DISTILLM_VECTORIZE
void widen_row(const uint16_t* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = widen_bf16(from[i]);
}

void load_row(const at::Tensor& tensor, int64_t row, float* to) {
  const int64_t n = tensor.size(1);
  if (tensor.scalar_type() == at::kFloat) {
    std::copy_n(tensor.const_data_ptr<float>() + row * n, n, to);
  } else {
    widen_row(bf16_data(tensor) + row * n, to, n);
  }
}

RANK_DISTILLM_VECTORIZE
void add_to(float* values, const float* other, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] += other[i];
}

RANK_DISTILLM_VECTORIZE
void multiply_to(const float* a, const float* b, float* product, int64_t n) {
  for (int64_t i = 0; i < n; ++i) product[i] = a[i] * b[i];
}

/// Sum of f(i) over [0, n), in lanes and in float64: a mean's rounding would stand in every value of the row, and add
/// up where rows are summed.
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

/// gradient → that of the row before normalization: scale (g - mean(g) - x̂ mean(g x̂)) with g = gradient · weight.
/// Adds the row's part to the gradients of weight and bias.
RANK_DISTILLM_VECTORIZE
void backward_row(float* gradient, const float* normalized, float scale, const float* weight, float* weight_gradient,
                  float* bias_gradient, int64_t n) {
  const auto size = static_cast<double>(n);
  const auto mean = static_cast<float>(lane_sum(n, [=](int64_t i) { return gradient[i] * weight[i]; }) / size);
  const auto along =
      static_cast<float>(lane_sum(n, [=](int64_t i) { return gradient[i] * weight[i] * normalized[i]; }) / size);
  for (int64_t i = 0; i < n; ++i) {
    weight_gradient[i] += gradient[i] * normalized[i];
    bias_gradient[i] += gradient[i];
    gradient[i] = scale * (gradient[i] * weight[i] - mean - normalized[i] * along);
  }
}

/// The gradient of the branch of one row: through the mask, in the compute type.
void store_branch(const float* gradient, const Dropout& dropout, RowId id, std::vector<float>& factors,
                  const at::Tensor& branch, int64_t row) {
  const int64_t n = branch.size(1);
  const bool float32 = branch.scalar_type() == at::kFloat;
  const float* values = gradient;
  if (dropout.active()) {
    dropout_factors(dropout, id, 0, factors.data(), n);
    auto* target = float32 ? branch.data_ptr<float>() + row * n : factors.data();
    multiply_to(gradient, factors.data(), target, n);
    values = target;
  }
  if (!float32) round_row_to_bf16(values, bf16_data(branch) + row * n, n);
}

}  // namespace

HiddenState residual_layer_norm_training(const at::Tensor& branch, const at::Tensor& residual, const LayerNorm& norm,
                                         const Dropout& dropout, const std::vector<RowId>& ids,
                                         at::ScalarType compute_type, NormState& state) {
  const int64_t rows = branch.size(0), n = branch.size(1);
  const auto float32 = at::TensorOptions().dtype(at::kFloat);
  state = {at::empty({rows, n}, float32), at::empty({rows}, float32)};
  HiddenState result;
  result.exact = at::empty({rows, n}, float32);
  result.compute = compute_type == at::kFloat ? result.exact : at::empty({rows, n}, float32.dtype(compute_type));
  const auto* weight = norm.weight.const_data_ptr<float>();
  const auto* bias = norm.bias.const_data_ptr<float>();
  const auto* old = residual.defined() ? residual.const_data_ptr<float>() : nullptr;
  auto* normalized = state.normalized.data_ptr<float>();
  auto* scale = state.scale.data_ptr<float>();
  auto* exact = result.exact.data_ptr<float>();
  parallel_for(rows, row_grain(n), [&](int64_t begin, int64_t end) {
    std::vector<float> factors(n);
    for (int64_t row = begin; row < end; ++row) {
      auto* values = normalized + row * n;
      load_row(branch, row, values);
      if (dropout.active()) {
        dropout_factors(dropout, ids[row], 0, factors.data(), n);
        multiply_to(values, factors.data(), values, n);
      }
      if (old != nullptr) add_to(values, old + row * n, n);
      scale[row] = normalize(values, static_cast<float>(norm.eps), n);
      weigh(values, weight, bias, exact + row * n, n);
      if (compute_type != at::kFloat) round_row_to_bf16(exact + row * n, bf16_data(result.compute) + row * n, n);
    }
  });
  return result;
}

at::Tensor residual_layer_norm_backward(const at::Tensor& gradient, const NormState& state, const LayerNorm& norm,
                                        const Dropout& dropout, const std::vector<RowId>& ids,
                                        at::ScalarType compute_type, const NormGradients& gradients) {
  const int64_t rows = gradient.size(0), n = gradient.size(1);
  const bool same = compute_type == at::kFloat && !dropout.active();
  const auto branch = same ? gradient : at::empty({rows, n}, gradient.options().dtype(compute_type));
  const int64_t chunks = (rows + chunk_rows - 1) / chunk_rows;
  const auto parts = at::zeros({chunks, 2, n}, gradient.options());
  auto* values = gradient.data_ptr<float>();
  const auto* normalized = state.normalized.const_data_ptr<float>();
  const auto* scale = state.scale.const_data_ptr<float>();
  const auto* weight = norm.weight.const_data_ptr<float>();
  auto* part = parts.data_ptr<float>();
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> factors(n);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      auto* sums = part + chunk * 2 * n;
      for (int64_t row = chunk * chunk_rows; row < std::min(rows, (chunk + 1) * chunk_rows); ++row) {
        backward_row(values + row * n, normalized + row * n, scale[row], weight, sums, sums + n, n);
        if (!same) store_branch(values + row * n, dropout, ids[row], factors, branch, row);
      }
    }
  });
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    add_to(gradients.weight.data_ptr<float>(), part + chunk * 2 * n, n);
    add_to(gradients.bias.data_ptr<float>(), part + (chunk * 2 + 1) * n, n);
  }
  return branch;
}

}  // namespace rank_distillm
