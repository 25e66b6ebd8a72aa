#include "model/head.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tanh.h>

#include <string>

namespace rank_distillm {
namespace {

Linear take_linear(Weights& weights, const std::string& name, int64_t out, int64_t in) {
  return weights.linear({name}, out, in, at::kFloat);
}

}  // namespace

Head::Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights) : config_(config) {
  const auto hidden = encoder.hidden_size;
  switch (config.kind) {
    case HeadKind::mono: {
      if (config.bert_pool) dense_ = take_linear(weights, "bert_pool.0", hidden, hidden);
      const int64_t labels = config.log_softmax ? 2 : 1;
      const auto bias = config.bias ? weights.take("linear.bias", {labels}, at::kFloat) : at::Tensor();
      output_ = float32_linear(weights.take("linear.weight", {labels, hidden}, at::kFloat), bias);
      return;
    }
    case HeadKind::electra_classification:
      dense_ = take_linear(weights, "classifier.dense", hidden, hidden);
      output_ = take_linear(weights, "classifier.out_proj", config.labels, hidden);
      break;
    case HeadKind::bert_classification:
      dense_ = take_linear(weights, "pooler.dense", hidden, hidden);
      output_ = take_linear(weights, "classifier", config.labels, hidden);
      break;
  }
  output_ = float32_linear(output_.weight.narrow(0, config.label, 1), output_.bias.narrow(0, config.label, 1));
}

at::Tensor Head::forward(const at::Tensor& pooled, Counters& counters) const {
  auto row = pooled;
  if (dense_.weight.defined()) {
    row = linear(row, dense_, counters);
    row = config_.kind == HeadKind::electra_classification ? at::gelu(row) : at::tanh(row);
  }
  const auto logits = linear(row, output_, counters);
  return config_.log_softmax ? at::log_softmax(logits, -1).select(1, 1).contiguous() : logits.view({-1});
}

}  // namespace rank_distillm
