#include "train/trainable_layer.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <string>

#include "ops/activation.h"
#include "ops/bf16.h"
#include "ops/pooling.h"

namespace rank_distillm {

TrainableNorm trainable_norm(const Parameters& parameters, const std::string& name, int64_t size, double eps) {
  return {{parameters.value(name + ".weight", {size}), parameters.value(name + ".bias", {size}), eps},
          {parameters.gradient(name + ".weight", {size}), parameters.gradient(name + ".bias", {size})}};
}

TrainableLayer::TrainableLayer(const EncoderConfig& config, int64_t index, bool first_rows_only,
                               at::ScalarType compute_type, const Parameters& parameters)
    : index_(index),
      first_rows_only_(first_rows_only),
      heads_(config.heads),
      hidden_(config.hidden_size),
      activation_(config.activation),
      compute_type_(compute_type) {
  const auto prefix = "encoder.layer." + std::to_string(index) + ".";
  const auto wide = config.intermediate_size;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    return parameters.linear({prefix + name}, out, in, compute_type);
  };
  query_ = linear("attention.self.query", hidden_, hidden_);
  kv_ = parameters.linear({prefix + "attention.self.key", prefix + "attention.self.value"}, hidden_, hidden_,
                          compute_type);
  attention_output_ = linear("attention.output.dense", hidden_, hidden_);
  up_ = linear("intermediate.dense", wide, hidden_);
  down_ = linear("output.dense", hidden_, wide);
  attention_norm_ = trainable_norm(parameters, prefix + "attention.output.LayerNorm", hidden_, config.layer_norm_eps);
  output_norm_ = trainable_norm(parameters, prefix + "output.LayerNorm", hidden_, config.layer_norm_eps);
}

AttentionInputs TrainableLayer::columns(const at::Tensor& query, const at::Tensor& kv) const {
  return {query, kv.narrow(1, 0, hidden_), kv.narrow(1, hidden_, hidden_)};
}

HiddenState TrainableLayer::forward(const HiddenState& input, const BatchRows& rows, const DropoutRates& dropout,
                                    LayerState& state, Counters& counters) const {
  const auto& spans = first_rows_only_ ? rows.first_query : rows.all_queries;
  const auto& ids = first_rows_only_ ? rows.first : rows.tokens;
  HiddenState residual = input;
  if (first_rows_only_) {
    residual.exact = first_rows(input.exact, *rows.packed, rows.block);
    residual.compute = to_compute_type(residual.exact, compute_type_);
  }
  state.input = input.compute;
  state.rows = residual.compute;
  state.query = linear_training(state.rows, query_, counters);
  state.kv = linear_training(state.input, kv_, counters);
  state.context =
      attention_training(columns(state.query, state.kv), heads_, spans,
                         dropout.at(DropoutSite::attention_weights, dropout.attention, index_), state.softmax);
  const auto attended = residual_layer_norm_training(
      linear_training(state.context, attention_output_, counters), residual.exact, attention_norm_.norm,
      dropout.at(DropoutSite::attention_output, dropout.hidden, index_), ids, compute_type_, state.attention_norm);
  state.attended = attended.compute;
  state.widened = linear_training(state.attended, up_, counters);
  return residual_layer_norm_training(
      linear_training(activate(state.widened, activation_), down_, counters), attended.exact, output_norm_.norm,
      dropout.at(DropoutSite::layer_output, dropout.hidden, index_), ids, compute_type_, state.output_norm);
}

at::Tensor TrainableLayer::backward(const at::Tensor& gradient, const BatchRows& rows, const DropoutRates& dropout,
                                    const LayerState& state, Counters& counters) const {
  const auto& spans = first_rows_only_ ? rows.first_query : rows.all_queries;
  const auto& ids = first_rows_only_ ? rows.first : rows.tokens;
  // `gradient` walks down the residual stream: each step overwrites it or adds to it.
  {
    const auto branch = residual_layer_norm_backward(gradient, state.output_norm, output_norm_.norm,
                                                     dropout.at(DropoutSite::layer_output, dropout.hidden, index_), ids,
                                                     compute_type_, output_norm_.gradients);
    linear_backward_weights(branch, activate(state.widened, activation_), down_, counters);
    const auto widened =
        activation_backward(linear_backward_input(branch, down_, counters), state.widened, activation_);
    linear_backward_weights(widened, state.attended, up_, counters);
    linear_backward_input_add(widened, up_, gradient, counters);
  }
  const auto branch = residual_layer_norm_backward(gradient, state.attention_norm, attention_norm_.norm,
                                                   dropout.at(DropoutSite::attention_output, dropout.hidden, index_),
                                                   ids, compute_type_, attention_norm_.gradients);
  linear_backward_weights(branch, state.context, attention_output_, counters);
  const auto query = at::empty_like(state.query), kv = at::empty_like(state.kv);
  attention_backward(linear_backward_input(branch, attention_output_, counters), columns(state.query, state.kv), heads_,
                     spans, dropout.at(DropoutSite::attention_weights, dropout.attention, index_), state.softmax,
                     columns(query, kv));
  linear_backward_weights(query, state.rows, query_, counters);
  linear_backward_weights(kv, state.input, kv_, counters);
  linear_backward_input_add(query, query_, gradient, counters);
  auto result = gradient;
  if (first_rows_only_) {
    result = at::zeros({rows.block.tokens, hidden_}, gradient.options());
    add_to_first_rows(gradient, *rows.packed, rows.block, result);
  }
  linear_backward_input_add(kv, kv_, result, counters);
  return result;
}

}  // namespace rank_distillm
