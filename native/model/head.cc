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

}  // namespace

Epilogue head_epilogue(HeadActivation activation) {
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

void HeadForward::dense(int64_t sequences, const PackedMatrix& layer, const HeadRows& rows, Counters& counters) const {
  const auto epilogue = head_epilogue(config_.activation);
  multiply({sequences, rows.input, nullptr, layer, epilogue, rows.hidden, ElementType::float32, nullptr,
            epilogue == Epilogue::none ? Rows() : rows.before},
           ElementType::float32, counters);
  if (config_.activation != HeadActivation::tanh) return;
  for (int64_t s = 0; s < sequences; ++s) {
    auto* values = rows.hidden.floats(s);
    for (int64_t i = 0; i < hidden_; ++i) values[i] = std::tanh(values[i]);
    if (rows.before.data != nullptr) std::copy_n(values, hidden_, rows.before.floats(s));
  }
}

void HeadForward::output(int64_t sequences, const PackedMatrix& layer, const HeadRows& rows, float* scores,
                         Counters& counters) const {
  const auto& input = has_dense() ? rows.hidden : rows.input;
  multiply({sequences, input, nullptr, layer, Epilogue::none, rows.logits}, ElementType::float32, counters);
  for (int64_t s = 0; s < sequences; ++s) {
    const auto* row = rows.logits.floats(s);
    scores[s] = config_.log_softmax ? log_probability(row, config_.labels, config_.label) : row[0];
  }
}

Head::Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights) : layers_(encoder, config) {
  const int64_t hidden = layers_.hidden();
  if (layers_.has_dense()) dense_ = weights.linear({config.dense}, hidden, hidden, ElementType::float32);
  output_ = config.log_softmax ? weights.output_layer(config.output, config.labels, hidden, config.bias)
                               : weights.output_layer(config.output, config.labels, hidden, config.bias, config.label);
}

void Head::forward(int64_t sequences, const Rows& pooled, float* scores, Workspace& workspace,
                   Counters& counters) const {
  HeadRows rows = {pooled, {}, {}, workspace.rows(Slot::scores, sequences, layers_.outputs(), 4)};
  if (layers_.has_dense()) {
    rows.hidden = workspace.rows(Slot::head, sequences, layers_.hidden(), 4);
    layers_.dense(sequences, dense_.view(), rows, counters);
  }
  layers_.output(sequences, output_.view(), rows, scores, counters);
}

}  // namespace rank_distillm
