#include "model/head.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tanh.h>

#include <string>

namespace rank_distillm {
namespace {

Linear take_linear(Weights& weights, const std::string& name, int64_t out, int64_t in) {
  return {weights.take_float32(name + ".weight", {out, in}), weights.take_float32(name + ".bias", {out})};
}

}  // namespace

Head::Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights) : config_(config) {
  const auto hidden = encoder.hidden_size;
  switch (config.kind) {
    case HeadKind::mono: {
      if (config.bert_pool) dense_ = take_linear(weights, "bert_pool.0", hidden, hidden);
      const int64_t labels = config.log_softmax ? 2 : 1;
      output_.weight = weights.take_float32("linear.weight", {labels, hidden});
      if (config.bias) output_.bias = weights.take_float32("linear.bias", {labels});
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
  output_ = output_slice(output_, config.label, config.label + 1);
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
