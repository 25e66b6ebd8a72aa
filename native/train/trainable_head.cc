#include "train/trainable_head.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>

namespace rank_distillm {

TrainableHead::TrainableHead(const EncoderConfig& encoder, const HeadConfig& config, const Parameters& parameters)
    : config_(config) {
  const auto hidden = encoder.hidden_size;
  const auto linear = [&](const char* name, int64_t out, bool bias = true) {
    return parameters.linear({name}, out, hidden, bias);
  };
  switch (config.kind) {
    case HeadKind::mono:
      if (config.bert_pool) dense_ = linear("bert_pool.0", hidden);
      output_ = linear("linear", config.log_softmax ? 2 : 1, config.bias);
      return;
    case HeadKind::electra_classification:
      dense_ = linear("classifier.dense", hidden);
      output_ = linear("classifier.out_proj", config.labels);
      break;
    case HeadKind::bert_classification:
      dense_ = linear("pooler.dense", hidden);
      output_ = linear("classifier", config.labels);
      break;
  }
  for (auto* tensor : {&output_.weight, &output_.bias, &output_.weight_gradient, &output_.bias_gradient}) {
    if (tensor->defined()) *tensor = tensor->narrow(0, config.label, 1);
  }
}

Dropout TrainableHead::input_dropout(const DropoutRates& dropout) const {
  const bool drops = config_.kind == HeadKind::electra_classification;
  return dropout.at(DropoutSite::head_input, drops ? dropout.head : 0);
}

Dropout TrainableHead::row_dropout(const DropoutRates& dropout) const {
  return dropout.at(DropoutSite::head_hidden, config_.kind == HeadKind::mono ? 0 : dropout.head);
}

at::Tensor TrainableHead::forward(const at::Tensor& pooled, const DropFirstRows& drop, const DropoutRates& dropout,
                                  HeadState& state, Counters& counters) const {
  state.input = input_dropout(dropout).active() ? pooled.clone() : pooled;
  drop(state.input, input_dropout(dropout));
  state.row = state.input;
  if (dense_.weight.defined()) {
    state.before = linear_training(state.input, dense_, counters);
    state.row = config_.kind == HeadKind::electra_classification ? at::gelu(state.before) : at::tanh(state.before);
    drop(state.row, row_dropout(dropout));
  }
  const auto logits = linear_training(state.row, output_, counters);
  if (!config_.log_softmax) return logits.view({-1});
  state.logits = logits;
  return at::log_softmax(logits, -1).select(1, 1).contiguous();
}

at::Tensor TrainableHead::backward(const at::Tensor& gradient, const DropFirstRows& drop, const DropoutRates& dropout,
                                   const HeadState& state, Counters& counters) const {
  auto logits = gradient.view({-1, 1});
  if (config_.log_softmax) {
    logits = at::softmax(state.logits, -1).mul_(logits.neg());
    logits.select(1, 1).add_(gradient);
  }
  linear_backward_weights(logits, state.row, output_, counters);
  auto row = linear_backward_input(logits, output_, counters);
  if (dense_.weight.defined()) {
    drop(row, row_dropout(dropout));
    if (config_.kind == HeadKind::electra_classification) {
      row = at::gelu_backward(row, state.before);
    } else {
      row = at::tanh_backward(row, at::tanh(state.before));
    }
    linear_backward_weights(row, state.input, dense_, counters);
    row = linear_backward_input(row, dense_, counters);
  }
  drop(row, input_dropout(dropout));
  return row;
}

}  // namespace rank_distillm
