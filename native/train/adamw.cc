#include "train/adamw.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

/// Values per task.
constexpr int64_t chunk_values = 65536;

int64_t chunks_of(const Parameters& parameters) {
  return (parameters.layout().size() + chunk_values - 1) / chunk_values;
}

struct Factors {
  float decay, beta1, beta2, one_minus_beta1, one_minus_beta2, step_size, root_correction, eps, scale, clip;
};

Factors factors_of(const AdamWStep& step) {
  const auto t = static_cast<double>(step.step);
  const double correction1 = 1 - std::pow(step.beta1, t), correction2 = 1 - std::pow(step.beta2, t);
  const auto narrow = [](double value) { return static_cast<float>(value); };
  return {narrow(1 - step.learning_rate * step.weight_decay),
          narrow(step.beta1),
          narrow(step.beta2),
          narrow(1 - step.beta1),
          narrow(1 - step.beta2),
          narrow(step.learning_rate / correction1),
          narrow(std::sqrt(correction2)),
          narrow(step.eps),
          narrow(step.scale),
          step.clip_value > 0 ? narrow(step.clip_value) : INFINITY};
}

RANK_DISTILLM_VECTORIZE
void update(float* value, float* gradient, float* first, float* second, const Factors& f, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = std::min(std::max(gradient[i] * f.scale, -f.clip), f.clip);
    first[i] += (g - first[i]) * f.one_minus_beta1;
    second[i] = second[i] * f.beta2 + f.one_minus_beta2 * g * g;
    const float root = std::sqrt(second[i]) / f.root_correction + f.eps;
    value[i] = value[i] * f.decay - f.step_size * (first[i] / root);
    gradient[i] = 0;
  }
}

RANK_DISTILLM_VECTORIZE
double squares(const float* values, int64_t n) {
  double lanes[vector_lanes] = {};
  int64_t i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    for (int lane = 0; lane < vector_lanes; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  double total = 0;
  for (; i < n; ++i) total += static_cast<double>(values[i]) * values[i];
  for (const double lane : lanes) total += lane;
  return total;
}

}  // namespace

void adamw_step(Parameters& parameters, const AdamWStep& step, Workers& workers) {
  const int64_t size = parameters.layout().size();
  const auto factors = factors_of(step);
  auto* values = parameters.values().data();
  auto* gradients = parameters.gradients().data();
  auto* first = parameters.first_moments().data();
  auto* second = parameters.second_moments().data();
  workers.run(chunks_of(parameters), [&](int64_t chunk) {
    const int64_t start = chunk * chunk_values, count = std::min(size - start, chunk_values);
    update(values + start, gradients + start, first + start, second + start, factors, count);
  });
}

double gradient_norm(const Parameters& parameters, Workers& workers) {
  const int64_t size = parameters.layout().size();
  const auto* gradients = parameters.gradients().data();
  std::vector<double> sums(chunks_of(parameters));
  workers.run(static_cast<int64_t>(sums.size()), [&](int64_t chunk) {
    const int64_t start = chunk * chunk_values;
    sums[chunk] = squares(gradients + start, std::min(chunk_values, size - start));
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

}  // namespace rank_distillm
