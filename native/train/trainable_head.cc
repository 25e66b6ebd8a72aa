#include "train/trainable_head.h"

#include <algorithm>
#include <cmath>

#include "train/weight_gradient.h"

namespace rank_distillm {
namespace {

void add_weight_gradients(const PackedLinear& layer, int64_t rows, const Rows& gradient, const Rows& input,
                          Arena& arena, Counters& counters) {
  const WeightGradient weights(layer, rows, arena);
  weights.place(gradient, input, Epilogue::none, rows, 0, INT64_MAX);
  for (int64_t task = 0; task < weights.tasks(); ++task) weights.add(task, counters);
}

}  // namespace

TrainableHead::TrainableHead(const EncoderConfig& encoder, const HeadConfig& config, const Parameters& parameters)
    : layers_(encoder, config) {
  const auto hidden = encoder.hidden_size;
  if (layers_.has_dense()) {
    dense_ = PackedLinear(parameters.linear({config.dense}, hidden, hidden), ElementType::float32);
  }
  auto output = parameters.linear({config.output}, config.labels, hidden, config.bias);
  if (!config.log_softmax) {
    for (auto* tensor : {&output.weight, &output.bias, &output.weight_gradient, &output.bias_gradient}) {
      if (tensor->defined()) *tensor = tensor->row(config.label);
    }
  }
  output_ = PackedLinear(output, ElementType::float32);
}

HeadRows TrainableHead::rows(int64_t sequences, Arena& arena) const {
  const auto of = [&](int64_t columns) { return arena.rows(sequences, columns, 4); };
  const int64_t hidden = layers_.hidden();
  HeadRows rows = {of(hidden), {}, {}, of(layers_.outputs())};
  if (layers_.has_dense()) {
    rows.before = of(hidden);
    rows.hidden = of(hidden);
  }
  return rows;
}

std::vector<float> TrainableHead::forward(const HeadRows& rows, const std::vector<RowId>& ids,
                                          const DropoutRates& dropout, Counters& counters) {
  if (weights_changed_) {
    for (auto* layer : {&dense_, &output_}) {
      if (!layer->defined()) continue;
      layer->pack_forward();
      layer->pack_backward();
    }
    weights_changed_ = false;
  }
  const auto sequences = static_cast<int64_t>(ids.size());
  drop_rows(rows.input, sequences, layers_.hidden(), dropout.at(DropoutSite::head_input), ids.data());
  if (layers_.has_dense()) {
    layers_.dense(sequences, dense_.view(), rows, counters);
    drop_rows(rows.hidden, sequences, layers_.hidden(), dropout.at(DropoutSite::head_hidden), ids.data());
  }
  std::vector<float> scores(sequences);
  layers_.output(sequences, output_.view(), rows, scores.data(), counters);
  return scores;
}

/// Of log_softmax: g (1 at the label - softmax).
Rows TrainableHead::logits_gradient(const std::vector<float>& gradient, const HeadRows& rows, Arena& arena) const {
  const auto sequences = static_cast<int64_t>(gradient.size()), outputs = layers_.outputs();
  const auto result = arena.rows(sequences, outputs, 4);
  for (int64_t s = 0; s < sequences; ++s) {
    auto* to = result.floats(s);
    if (!layers_.config().log_softmax) {
      to[0] = gradient[s];
      continue;
    }
    const auto* logits = rows.logits.floats(s);
    const float greatest = *std::max_element(logits, logits + outputs);
    float sum = 0;
    for (int64_t i = 0; i < outputs; ++i) sum += to[i] = std::exp(logits[i] - greatest);
    for (int64_t i = 0; i < outputs; ++i) to[i] *= -gradient[s] / sum;
    to[layers_.config().label] += gradient[s];
  }
  return result;
}

Rows TrainableHead::backward(const std::vector<float>& gradient, const HeadRows& rows, const std::vector<RowId>& ids,
                             const DropoutRates& dropout, Arena& arena, Counters& counters) const {
  const auto sequences = static_cast<int64_t>(ids.size()), hidden = layers_.hidden();
  const auto logits = logits_gradient(gradient, rows, arena);
  add_weight_gradients(output_, sequences, logits, layers_.has_dense() ? rows.hidden : rows.input, arena, counters);
  auto below = arena.rows(sequences, hidden, 4);
  if (!layers_.has_dense()) {
    output_.backward(sequences, logits, Epilogue::none, below, ElementType::float32, counters);
  } else {
    const auto activation = head_epilogue(layers_.config().activation);
    const bool is_tanh = activation == Epilogue::none;
    output_.backward(sequences, logits, is_tanh ? Epilogue::none : derivative_epilogue(activation), below,
                     ElementType::float32, counters, is_tanh ? Rows() : rows.before);
    drop_rows(below, sequences, hidden, dropout.at(DropoutSite::head_hidden), ids.data());
    for (int64_t s = 0; is_tanh && s < sequences; ++s) {
      const auto* output = rows.before.floats(s);
      auto* values = below.floats(s);
      for (int64_t i = 0; i < hidden; ++i) values[i] *= 1 - output[i] * output[i];
    }
    add_weight_gradients(dense_, sequences, below, rows.input, arena, counters);
    const auto pooled = arena.rows(sequences, hidden, 4);
    dense_.backward(sequences, below, Epilogue::none, pooled, ElementType::float32, counters);
    below = pooled;
  }
  drop_rows(below, sequences, hidden, dropout.at(DropoutSite::head_input), ids.data());
  return below;
}

}  // namespace rank_distillm
