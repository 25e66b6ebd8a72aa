#include "ops/layer_norm.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "ops/bf16.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

RANK_DISTILLM_VECTORIZE
void add(const float* branch, const float* residual, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = branch[i] + residual[i];
}

/// Sum of (value - shift)^power for power 1 or 2.
template <int power>
inline float shifted_sum(const float* values, int64_t n, float shift) {
  float lanes[vector_lanes] = {};
  int64_t i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    for (int lane = 0; lane < vector_lanes; ++lane) {
      const float d = values[i + lane] - shift;
      lanes[lane] += power == 1 ? d : d * d;
    }
  }
  float total = 0;
  for (; i < n; ++i) {
    const float d = values[i] - shift;
    total += power == 1 ? d : d * d;
  }
  for (const float lane : lanes) total += lane;
  return total;
}

RANK_DISTILLM_VECTORIZE
void normalize(float* values, const float* weight, const float* bias, float eps, int64_t n) {
  const float size = static_cast<float>(n);
  const float mean = shifted_sum<1>(values, n, 0) / size;
  // Two passes: the row is in the nearest cache, and the one-pass formula cancels where the mean is large.
  const float scale = 1 / std::sqrt(shifted_sum<2>(values, n, mean) / size + eps);
  for (int64_t i = 0; i < n; ++i) values[i] = (values[i] - mean) * scale * weight[i] + bias[i];
}

}  // namespace

void layer_norm_row(float* values, int64_t hidden, const LayerNorm& norm) {
  normalize(values, norm.weight.const_data_ptr<float>(), norm.bias.const_data_ptr<float>(),
            static_cast<float>(norm.eps), hidden);
}

HiddenState residual_layer_norm(const at::Tensor& branch, const at::Tensor& residual, const LayerNorm& norm,
                                at::ScalarType compute_type) {
  const int64_t rows = branch.size(0), hidden = branch.size(1);
  HiddenState result;
  result.exact = at::empty({rows, hidden}, residual.options());
  result.compute =
      compute_type == at::kFloat ? result.exact : at::empty({rows, hidden}, residual.options().dtype(compute_type));
  const auto* sums = branch.const_data_ptr<float>();
  const auto* old = residual.const_data_ptr<float>();
  auto* exact = result.exact.data_ptr<float>();
  for (int64_t begin = 0; begin < rows * hidden; begin += hidden) {
    add(sums + begin, old + begin, exact + begin, hidden);
    layer_norm_row(exact + begin, hidden, norm);
    if (compute_type != at::kFloat) round_row_to_bf16(exact + begin, bf16_data(result.compute) + begin, hidden);
  }
  return result;
}

}  // namespace rank_distillm
