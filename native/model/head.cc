#include "model/head.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace rank_distillm {
namespace {

/// log(softmax(logits)[label]).
float log_probability(const float* logits, int64_t labels, int64_t label) {
  const float greatest = *std::max_element(logits, logits + labels);
  float sum = 0;
  for (int64_t i = 0; i < labels; ++i) sum += std::exp(logits[i] - greatest);
  return logits[label] - greatest - std::log(sum);
}

/// What the product's epilogue computes; tanh is computed after it.
Epilogue epilogue_of(HeadActivation activation) {
  switch (activation) {
    case HeadActivation::gelu:
      return Epilogue::gelu;
    case HeadActivation::relu:
      return Epilogue::relu;
    case HeadActivation::tanh:
      break;
  }
  return Epilogue::none;
}

}  // namespace

Head::Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights)
    : config_(config), hidden_(encoder.hidden_size) {
  if (!config.dense.empty()) dense_ = weights.linear({config.dense}, hidden_, hidden_, ElementType::float32);
  output_ = config.log_softmax ? weights.output_layer(config.output, config.labels, hidden_, config.bias)
                               : weights.output_layer(config.output, config.labels, hidden_, config.bias, config.label);
}

void Head::forward(int64_t sequences, const Rows& pooled, float* scores, Workspace& workspace,
                   Counters& counters) const {
  auto input = pooled;
  if (dense_.defined()) {
    const auto row = workspace.rows(Slot::head, sequences, hidden_, 4);
    linear(dense_, sequences, {input}, epilogue_of(config_.activation), row, ElementType::float32, counters);
    for (int64_t s = 0; config_.activation == HeadActivation::tanh && s < sequences; ++s) {
      auto* values = row.floats(s);
      for (int64_t i = 0; i < hidden_; ++i) values[i] = std::tanh(values[i]);
    }
    input = row;
  }
  const auto logits = workspace.rows(Slot::scores, sequences, config_.log_softmax ? config_.labels : 1, 4);
  linear(output_, sequences, {input}, Epilogue::none, logits, ElementType::float32, counters);
  for (int64_t s = 0; s < sequences; ++s) {
    const auto* row = logits.floats(s);
    scores[s] = config_.log_softmax ? log_probability(row, config_.labels, config_.label) : row[0];
  }
}

}  // namespace rank_distillm
