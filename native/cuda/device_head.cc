#include "cuda/device_head.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>

namespace rank_distillm {
namespace {

at::Tensor activate(const at::Tensor& before, HeadActivation activation) {
  switch (activation) {
    case HeadActivation::gelu:
      return at::gelu(before);
    case HeadActivation::relu:
      return at::relu(before);
    case HeadActivation::tanh:
      break;
  }
  return at::tanh(before);
}

at::Tensor activate_backward(const at::Tensor& gradient, const at::Tensor& before, HeadActivation activation) {
  switch (activation) {
    case HeadActivation::gelu:
      return at::gelu_backward(gradient, before);
    case HeadActivation::relu:
      return at::threshold_backward(gradient, before, 0);
    case HeadActivation::tanh:
      break;
  }
  return at::tanh_backward(gradient, at::tanh(before));
}

}  // namespace

DeviceHead::DeviceHead(const EncoderConfig& encoder, const HeadConfig& config, const DeviceParameters& parameters)
    : config_(config) {
  const auto hidden = encoder.hidden_size;
  if (!config.dense.empty()) dense_ = parameters.linear({config.dense}, hidden, hidden);
  output_ = parameters.linear({config.output}, config.labels, hidden, config.bias);
  if (config.log_softmax) return;
  for (auto* tensor : {&output_.weight, &output_.bias, &output_.weight_gradient, &output_.bias_gradient}) {
    if (tensor->defined()) *tensor = tensor->narrow(0, config.label, 1);
  }
}

at::Tensor DeviceHead::forward(const at::Tensor& pooled, const DropFirstRows& drop, const DropoutRates& dropout,
                               DeviceHeadState& state, Counters& counters) const {
  const auto input_dropout = dropout.at(DropoutSite::head_input);
  state.input = input_dropout.active() ? pooled.clone() : pooled;
  drop(state.input, input_dropout);
  state.row = state.input;
  if (dense_.weight.defined()) {
    state.before = device_linear(state.input, dense_, counters);
    state.row = activate(state.before, config_.activation);
    drop(state.row, dropout.at(DropoutSite::head_hidden));
  }
  const auto logits = device_linear(state.row, output_, counters);
  if (!config_.log_softmax) return logits.view({-1});
  state.logits = logits;
  return at::log_softmax(logits, -1).select(1, config_.label).contiguous();
}

at::Tensor DeviceHead::backward(const at::Tensor& gradient, const DropFirstRows& drop, const DropoutRates& dropout,
                                const DeviceHeadState& state, Counters& counters) const {
  auto logits = gradient.view({-1, 1});
  if (config_.log_softmax) {
    logits = at::softmax(state.logits, -1).mul_(logits.neg());
    logits.select(1, config_.label).add_(gradient);
  }
  auto row = device_linear_backward(logits, state.row, output_, counters);
  if (dense_.weight.defined()) {
    drop(row, dropout.at(DropoutSite::head_hidden));
    row = activate_backward(row, state.before, config_.activation);
    row = device_linear_backward(row, state.input, dense_, counters);
  }
  drop(row, dropout.at(DropoutSite::head_input));
  return row;
}

}  // namespace rank_distillm
