// Exact attention and its backward for packed sequences. A thread takes one sequence and as many heads as keep the
// score matrices in its near cache, multiplies them in one batched product in float32, and recomputes the weights in
// the backward from softmax's saved statistics (Dao et al. 2022), so no score matrix outlives its sequence.

#include "ops/attention_training.h"

#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/parallel.h"
#include "ops/vector_math.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

/// Values of a score matrix over some heads that still stay near a core.
constexpr int64_t near_values = 131072;

/// Some heads of one span.
struct Task {
  const AttentionSpan* span;
  int64_t first_head;
  int64_t heads;
};

std::vector<Task> tasks_of(const std::vector<AttentionSpan>& spans, int64_t heads) {
  std::vector<Task> tasks;
  for (const auto& span : spans) {
    const int64_t group = std::clamp<int64_t>(near_values / (span.queries * span.keys), 1, heads);
    for (int64_t head = 0; head < heads; head += group) {
      tasks.push_back({&span, head, std::min(group, heads - head)});
    }
  }
  return tasks;
}

/// Rows of some heads as [heads, rows, head size].
at::Tensor heads_of(const at::Tensor& packed, int64_t first_row, int64_t rows, const Task& task, int64_t head_size) {
  return packed.narrow(0, first_row, rows)
      .narrow(1, task.first_head * head_size, task.heads * head_size)
      .unflatten(1, {task.heads, head_size})
      .transpose(0, 1);
}

struct Operands {
  at::Tensor query, key, value;  // [heads, rows, head size] float32
};

Operands operands_of(const AttentionInputs& inputs, const Task& task, int64_t head_size) {
  const auto& span = *task.span;
  const auto view = [&](const at::Tensor& packed, int64_t row, int64_t rows) {
    return heads_of(packed, row, rows, task, head_size).to(at::kFloat);
  };
  return {view(inputs.query, span.query_row, span.queries), view(inputs.key, span.key_row, span.keys),
          view(inputs.value, span.key_row, span.keys)};
}

RANK_DISTILLM_VECTORIZE
float greatest(const float* values, int64_t n) {
  float lanes[vector_lanes];
  std::fill_n(lanes, vector_lanes, values[0]);
  int64_t i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    for (int lane = 0; lane < vector_lanes; ++lane) lanes[lane] = std::max(lanes[lane], values[i + lane]);
  }
  float result = lanes[0];
  for (const float lane : lanes) result = std::max(result, lane);
  for (; i < n; ++i) result = std::max(result, values[i]);
  return result;
}

/// values → exp(scale · value - shift), none of which is above 1; returns their sum.
RANK_DISTILLM_VECTORIZE
float exponentials(float* values, float scale, float shift, int64_t n) {
  float lanes[vector_lanes] = {};
  int64_t i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    for (int lane = 0; lane < vector_lanes; ++lane) {
      values[i + lane] = exp_negative(std::min(scale * values[i + lane] - shift, 0.0F));
      lanes[lane] += values[i + lane];
    }
  }
  float total = 0;
  for (; i < n; ++i) {
    values[i] = exp_negative(std::min(scale * values[i] - shift, 0.0F));
    total += values[i];
  }
  for (const float lane : lanes) total += lane;
  return total;
}

RANK_DISTILLM_VECTORIZE
void scale_row(float* values, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] *= factor;
}

RANK_DISTILLM_VECTORIZE
void mask_row(float* values, const float* factors, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] *= factors[i];
}

/// Softmax's backward on one row: gradient → scale · weight · (gradient - Σ gradient · weight).
RANK_DISTILLM_VECTORIZE
void softmax_backward_row(float* gradient, const float* weights, float scale, int64_t n) {
  float lanes[vector_lanes] = {};
  int64_t i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    for (int lane = 0; lane < vector_lanes; ++lane) lanes[lane] += gradient[i + lane] * weights[i + lane];
  }
  float total = 0;
  for (; i < n; ++i) total += gradient[i] * weights[i];
  for (const float lane : lanes) total += lane;
  for (int64_t j = 0; j < n; ++j) gradient[j] = scale * weights[j] * (gradient[j] - total);
}

void run(const std::vector<Task>& tasks, const std::function<void(const Task&)>& body) {
  parallel_for(static_cast<int64_t>(tasks.size()), 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode inference_mode;  // OpenMP's threads do not inherit it
    for (int64_t i = begin; i < end; ++i) body(tasks[i]);
  });
}

}  // namespace

at::Tensor attention_training(const AttentionInputs& inputs, int64_t heads, const std::vector<AttentionSpan>& spans,
                              const Dropout& dropout, at::Tensor& softmax) {
  const int64_t hidden = inputs.query.size(1), head_size = hidden / heads;
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_size)));
  const auto output = at::empty({inputs.query.size(0), hidden}, inputs.query.options());
  softmax = at::empty({inputs.query.size(0), heads, 2}, at::kFloat);
  auto* statistics = softmax.data_ptr<float>();
  run(tasks_of(spans, heads), [&](const Task& task) {
    const auto& span = *task.span;
    const auto [query, key, value] = operands_of(inputs, task, head_size);
    const auto weights = at::bmm(query, key.transpose(1, 2));
    auto* row = weights.data_ptr<float>();
    std::vector<float> factors(dropout.active() ? span.keys : 0);
    for (int64_t head = task.first_head; head < task.first_head + task.heads; ++head) {
      for (int64_t i = 0; i < span.queries; ++i, row += span.keys) {
        const float shift = scale * greatest(row, span.keys);
        const float sum = exponentials(row, scale, shift, span.keys);
        auto* kept = statistics + ((span.query_row + i) * heads + head) * 2;
        kept[0] = shift;
        kept[1] = 1 / sum;
        scale_row(row, kept[1], span.keys);
        if (!dropout.active()) continue;
        dropout_factors(dropout, {span.pair, static_cast<uint32_t>(i)}, static_cast<uint32_t>(head), factors.data(),
                        span.keys);
        mask_row(row, factors.data(), span.keys);
      }
    }
    heads_of(output, span.query_row, span.queries, task, head_size).copy_(at::bmm(weights, value));
  });
  return output;
}

void attention_backward(const at::Tensor& gradient, const AttentionInputs& inputs, int64_t heads,
                        const std::vector<AttentionSpan>& spans, const Dropout& dropout, const at::Tensor& softmax,
                        const AttentionInputs& gradients) {
  const int64_t head_size = inputs.query.size(1) / heads;
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_size)));
  const auto* statistics = softmax.const_data_ptr<float>();
  run(tasks_of(spans, heads), [&](const Task& task) {
    const auto& span = *task.span;
    const auto [query, key, value] = operands_of(inputs, task, head_size);
    const auto outer = heads_of(gradient, span.query_row, span.queries, task, head_size).to(at::kFloat);
    const auto weights = at::bmm(query, key.transpose(1, 2));
    const auto inner = at::bmm(outer, value.transpose(1, 2));  // becomes the gradient of the scores
    auto* weight = weights.data_ptr<float>();
    auto* slope = inner.data_ptr<float>();
    std::vector<float> factors(dropout.active() ? span.keys : 0);
    for (int64_t head = task.first_head; head < task.first_head + task.heads; ++head) {
      for (int64_t i = 0; i < span.queries; ++i, weight += span.keys, slope += span.keys) {
        const auto* kept = statistics + ((span.query_row + i) * heads + head) * 2;
        exponentials(weight, scale, kept[0], span.keys);
        scale_row(weight, kept[1], span.keys);
        if (dropout.active()) {
          dropout_factors(dropout, {span.pair, static_cast<uint32_t>(i)}, static_cast<uint32_t>(head), factors.data(),
                          span.keys);
          mask_row(slope, factors.data(), span.keys);
        }
        softmax_backward_row(slope, weight, scale, span.keys);
        if (dropout.active()) mask_row(weight, factors.data(), span.keys);
      }
    }
    heads_of(gradients.value, span.key_row, span.keys, task, head_size).copy_(at::bmm(weights.transpose(1, 2), outer));
    heads_of(gradients.query, span.query_row, span.queries, task, head_size).copy_(at::bmm(inner, key));
    heads_of(gradients.key, span.key_row, span.keys, task, head_size).copy_(at::bmm(inner.transpose(1, 2), query));
  });
}

}  // namespace rank_distillm
