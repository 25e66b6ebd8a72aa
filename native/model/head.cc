#include "model/head.h"

#include <cmath>
#include <string>

namespace rank_distillm {
namespace {

Linear take_linear(Weights& weights, const std::string& name, int64_t out, int64_t in) {
  return weights.linear({name}, out, in, ElementType::float32);
}

/// log(softmax(row)[1]) of two labels.
float log_probability(const float* labels) {
  const float greater = std::fmax(labels[0], labels[1]);
  return labels[1] - greater - std::log(std::exp(labels[0] - greater) + std::exp(labels[1] - greater));
}

}  // namespace

Head::Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights)
    : config_(config), hidden_(encoder.hidden_size) {
  switch (config.kind) {
    case HeadKind::mono:
      if (config.bert_pool) dense_ = take_linear(weights, "bert_pool.0", hidden_, hidden_);
      output_ = weights.output_layer("linear", config.log_softmax ? 2 : 1, hidden_, config.bias);
      return;
    case HeadKind::electra_classification:
      dense_ = take_linear(weights, "classifier.dense", hidden_, hidden_);
      output_ = weights.one_label("classifier.out_proj", config.labels, config.label, hidden_);
      return;
    case HeadKind::bert_classification:
      dense_ = take_linear(weights, "pooler.dense", hidden_, hidden_);
      output_ = weights.one_label("classifier", config.labels, config.label, hidden_);
      return;
  }
}

void Head::forward(int64_t sequences, const Rows& pooled, float* scores, Workspace& workspace,
                   Counters& counters) const {
  auto input = pooled;
  if (dense_.defined()) {
    const bool gelu = config_.kind == HeadKind::electra_classification;
    const auto row = workspace.rows(Slot::head, sequences, hidden_, 4);
    linear(dense_, sequences, {input}, gelu ? Epilogue::gelu : Epilogue::none, row, ElementType::float32, counters);
    for (int64_t s = 0; !gelu && s < sequences; ++s) {
      auto* values = reinterpret_cast<float*>(row.row(s));
      for (int64_t i = 0; i < hidden_; ++i) values[i] = std::tanh(values[i]);
    }
    input = row;
  }
  const auto labels = workspace.rows(Slot::scores, sequences, 2, 4);
  linear(output_, sequences, {input}, Epilogue::none, labels, ElementType::float32, counters);
  for (int64_t s = 0; s < sequences; ++s) {
    const auto* row = reinterpret_cast<const float*>(labels.row(s));
    scores[s] = config_.log_softmax ? log_probability(row) : row[0];
  }
}

}  // namespace rank_distillm
