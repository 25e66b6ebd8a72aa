#include "cuda/device_encoder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "cuda/kernels/kernels.h"
#include "cuda/ops/activation.h"
#include "model/tensor_names.h"

namespace rank_distillm {
DeviceEncoder::DeviceEncoder(const EncoderConfig& config, RowsNeeded rows, const DeviceTypes& types, int64_t padding_id,
                             const DeviceParameters& parameters)
    : config_(config), rows_(rows), types_(types), padding_id_(padding_id), parameters_(parameters) {
  if (config.hidden_size > cuda::max_norm_columns) {
    throw Error("unsupported", "hidden size " + std::to_string(config.hidden_size) +
                                   ": the engine for GPUs takes up to " + std::to_string(cuda::max_norm_columns));
  }
  weights_changed();
}

void DeviceEncoder::weights_changed() {
  const auto& values = parameters_.values();
  if (types_.compute != at::kFloat) {
    if (!compute_values_.defined()) compute_values_ = at::empty(values.sizes(), values.options().dtype(types_.compute));
    compute_values_.copy_(values);
  }
  if (!layers_.empty()) return;  // the others are views
  const auto width = config_.embedding_size;
  embedding_ = {take_table(tensor_names::words, config_.vocab_size),
                take_table(tensor_names::positions, config_.first_position + config_.max_positions),
                take_table(tensor_names::types, config_.type_vocab_size),
                take_norm(tensor_names::embedding_norm, width),
                padding_id_,
                config_.unplaced_token()};
  if (width != config_.hidden_size) {
    project_ = take_linear({tensor_names::embedding_projection}, config_.hidden_size, width, at::kFloat);
  }
  for (int64_t i = 0; i < config_.layers; ++i) {
    layers_.push_back(take_layer(i, rows_ == RowsNeeded::first_of_each_sequence && i + 1 == config_.layers));
  }
}

DeviceTable DeviceEncoder::take_table(const std::string& name, int64_t size) const {
  const auto width = config_.embedding_size;
  if (size == 0) return {at::zeros({1, width}, parameters_.values().options()), {}};
  return {parameters_.value(name, {size, width}), parameters_.gradient(name, {size, width})};
}

DeviceNorm DeviceEncoder::take_norm(const std::string& name, int64_t size) const {
  return {parameters_.value(name + ".weight", {size}), parameters_.value(name + ".bias", {size}),
          parameters_.gradient(name + ".weight", {size}), parameters_.gradient(name + ".bias", {size}),
          config_.layer_norm_eps};
}

DeviceLinear DeviceEncoder::take_linear(const std::vector<std::string>& names, int64_t out, int64_t in,
                                        at::ScalarType type) const {
  const auto layer = parameters_.linear(names, out, in);
  if (type == at::kFloat) return {layer.weight, layer.bias, layer.weight_gradient, layer.bias_gradient};
  return {parameters_.view(compute_values_, names, ".weight", {out, in}),
          parameters_.view(compute_values_, names, ".bias", {out}), layer.weight_gradient, layer.bias_gradient};
}

DeviceEncoder::Layer DeviceEncoder::take_layer(int64_t index, bool first_rows_only) const {
  const tensor_names::Layer names(index);
  const auto hidden = config_.hidden_size, wide = config_.intermediate_size;
  const auto rest = first_rows_only ? at::kFloat : types_.compute;
  Layer layer;
  layer.first_rows_only = first_rows_only;
  if (first_rows_only) {
    layer.query = take_linear({names.query}, hidden, hidden, at::kFloat);
    layer.qkv = take_linear({names.key, names.value}, hidden, hidden, types_.compute);
  } else {
    layer.qkv = take_linear({names.query, names.key, names.value}, hidden, hidden, types_.compute);
  }
  layer.attention_output = take_linear({names.attention_output}, hidden, hidden, rest);
  layer.attention_norm = take_norm(names.attention_norm, hidden);
  layer.up = take_linear({names.up}, wide, hidden, rest);
  layer.down = take_linear({names.down}, hidden, wide, rest);
  layer.output_norm = take_norm(names.output_norm, hidden);
  return layer;
}

DeviceAttention DeviceEncoder::attention_of(const DevicePass& pass, const Layer& layer, int64_t index) const {
  return {pass.block, layer.first_rows_only ? pass.block.first : pass.block.all, config_.heads,
          pass.dropout.at(DropoutSite::attention_weights, index)};
}

const DeviceRowIds& DeviceEncoder::rows_of(const DevicePass& pass, const Layer& layer) {
  return layer.first_rows_only ? pass.block.first_rows : pass.block.rows;
}

DeviceHidden DeviceEncoder::embed_block(const DevicePass& pass, DeviceEncoderState* state) const {
  return pass.clock.time(&OpTicks::embedding, [&] {
    auto* norm_state = state == nullptr ? nullptr : &state->embedding_norm;
    const auto dropout = pass.dropout.at(DropoutSite::embeddings);
    if (!project_.weight.defined()) return embed(pass.block, embedding_, dropout, types_, norm_state);
    const auto embedded = embed(pass.block, embedding_, dropout, {at::kFloat, at::kFloat}, norm_state).exact;
    if (state != nullptr) state->embedded = embedded;
    const auto exact = device_linear(embedded, project_, pass.counters);
    return DeviceHidden{exact.to(types_.stream), exact.to(types_.compute)};
  });
}

DeviceHidden DeviceEncoder::attend(const DevicePass& pass, int64_t index, const DeviceHidden& hidden,
                                   DeviceLayerState* state) const {
  const auto& layer = layers_[index];
  const auto size = config_.hidden_size;
  const auto linear = [&](const at::Tensor& input, const DeviceLinear& weights) {
    return pass.clock.time(&OpTicks::linear, [&] { return device_linear(input, weights, pass.counters); });
  };
  const auto qkv = linear(hidden.compute, layer.qkv);
  AttentionInputs inputs;
  at::Tensor residual = hidden.exact, first;
  if (layer.first_rows_only) {
    first = at::index_select(hidden.exact, 0, pass.block.first_tokens).to(at::kFloat);
    residual = first;
    inputs = {linear(first, layer.query).to(types_.compute), qkv.narrow(1, 0, size), qkv.narrow(1, size, size)};
  } else {
    inputs = {qkv.narrow(1, 0, size), qkv.narrow(1, size, size), qkv.narrow(1, 2 * size, size)};
  }
  const auto attended = pass.clock.time(&OpTicks::attention, [&] {
    return device_attention(attention_of(pass, layer, index), inputs, state != nullptr);
  });
  const auto context = attended.context.to(layer.attention_output.weight.scalar_type());
  const auto branch = linear(context, layer.attention_output);
  if (state != nullptr) {
    state->input = hidden.compute;
    state->first = std::move(first);
    state->attention = std::move(inputs);
    state->attended = attended;
    state->context = context;
  }
  return pass.clock.time(&OpTicks::norm, [&] {
    return residual_norm(branch, residual, layer.attention_norm, pass.dropout.at(DropoutSite::attention_output, index),
                         rows_of(pass, layer), state == nullptr ? nullptr : &state->attention_norm);
  });
}

DeviceHidden DeviceEncoder::feed_forward(const DevicePass& pass, int64_t index, const DeviceHidden& hidden,
                                         DeviceLayerState* state) const {
  const auto& layer = layers_[index];
  const auto linear = [&](const at::Tensor& input, const DeviceLinear& weights) {
    return pass.clock.time(&OpTicks::linear, [&] { return device_linear(input, weights, pass.counters); });
  };
  const auto before = linear(hidden.compute, layer.up);
  const auto wide = pass.clock.time(&OpTicks::activation, [&] {
    return device_activation(before, config_.activation, /*in_place=*/state == nullptr);
  });
  const auto branch = linear(wide, layer.down);
  if (state != nullptr) {
    state->narrow = hidden.compute;
    state->before = before;
  }
  return pass.clock.time(&OpTicks::norm, [&] {
    return residual_norm(branch, hidden.exact, layer.output_norm, pass.dropout.at(DropoutSite::layer_output, index),
                         rows_of(pass, layer), state == nullptr ? nullptr : &state->output_norm);
  });
}

at::Tensor DeviceEncoder::forward(const DevicePass& pass, DeviceEncoderState* state) const {
  auto hidden = embed_block(pass, state);
  if (state != nullptr) state->layers.resize(layers_.size());
  for (int64_t i = 0; i < config_.layers; ++i) {
    throw_if_cancelled(pass.cancel);
    auto* layer = state == nullptr ? nullptr : &state->layers[i];
    hidden = attend(pass, i, hidden, layer);
    hidden = feed_forward(pass, i, hidden, layer);
  }
  const auto last = hidden.exact.to(at::kFloat);
  if (state != nullptr && rows_ == RowsNeeded::all) state->last = last;
  return last;
}

DeviceEncoder::Gradient DeviceEncoder::feed_forward_backward(const DevicePass& pass, int64_t index,
                                                             const Gradient& gradient,
                                                             const DeviceLayerState& state) const {
  const auto& layer = layers_[index];
  const auto above = residual_norm_backward(gradient.exact, gradient.more, layer.output_norm,
                                            pass.dropout.at(DropoutSite::layer_output, index), rows_of(pass, layer),
                                            state.output_norm);
  const auto wide = device_activation(state.before, config_.activation, /*in_place=*/false);
  const auto widened = device_linear_backward(above.branch, wide, layer.down, pass.counters);
  device_activation_backward_(widened, state.before, config_.activation);
  return {above.residual, device_linear_backward(widened, state.narrow, layer.up, pass.counters)};
}

DeviceEncoder::Gradient DeviceEncoder::attend_backward(const DevicePass& pass, int64_t index, const Gradient& gradient,
                                                       const DeviceLayerState& state) const {
  const auto& layer = layers_[index];
  const auto size = config_.hidden_size;
  const auto above = residual_norm_backward(gradient.exact, gradient.more, layer.attention_norm,
                                            pass.dropout.at(DropoutSite::attention_output, index), rows_of(pass, layer),
                                            state.attention_norm);
  const auto context = device_linear_backward(above.branch, state.context, layer.attention_output, pass.counters);
  const auto inputs = at::empty({pass.block.tokens, layer.qkv.weight.size(0)}, state.input.options());
  const auto part = [&](int64_t i) { return inputs.narrow(1, i * size, size); };
  AttentionInputs gradients;
  if (layer.first_rows_only) {
    gradients = {at::empty_like(state.attention.query), part(0), part(1)};
  } else {
    gradients = {part(0), part(1), part(2)};
  }
  device_attention_backward(attention_of(pass, layer, index), state.attention, state.attended,
                            context.to(types_.compute), gradients);
  const auto more = device_linear_backward(inputs, state.input, layer.qkv, pass.counters);
  if (!layer.first_rows_only) return {above.residual, more};
  const auto query = device_linear_backward(gradients.query.to(at::kFloat), state.first, layer.query, pass.counters);
  auto all = at::zeros({pass.block.tokens, size}, above.residual.options());
  all.index_copy_(0, pass.block.first_tokens, above.residual.add(query));
  return {all, more};
}

void DeviceEncoder::backward(const DevicePass& pass, DeviceEncoderState& state, at::Tensor gradient,
                             const LayerDone& layer_done) const {
  Gradient current = {std::move(gradient), {}};
  for (int64_t i = config_.layers - 1; i >= 0; --i) {
    current = feed_forward_backward(pass, i, current, state.layers[i]);
    current = attend_backward(pass, i, current, state.layers[i]);
    state.layers[i] = {};  // frees its memory for the layers below
    layer_done(i);
  }
  current.exact.add_(current.more);
  if (project_.weight.defined()) {
    current.exact = device_linear_backward(current.exact, state.embedded, project_, pass.counters);
  }
  embed_backward(pass.block, embedding_, pass.dropout.at(DropoutSite::embeddings), state.embedding_norm, current.exact);
}

int64_t DeviceEncoder::kept_bytes_per_token() const {
  const auto compute = static_cast<int64_t>(c10::elementSize(types_.compute));
  // input, queries, keys, values, context, narrow and two normalized; before the activation
  const int64_t layer = compute * (8 * config_.hidden_size + config_.intermediate_size) + 4 * config_.heads + 8;
  return config_.layers * layer + passing_bytes_per_token();
}

int64_t DeviceEncoder::passing_bytes_per_token() const {
  const auto compute = static_cast<int64_t>(c10::elementSize(types_.compute));
  // the widest moments: two wide tensors and the streams around them, forward or backward
  return compute * (2 * config_.intermediate_size + 6 * config_.hidden_size) + 12 * config_.hidden_size + 32;
}

int64_t DeviceEncoder::backward_bytes() const {
  const auto hidden = config_.hidden_size;
  // a gradient of weights in float32 before it is added to what there is: of words, of queries, keys and values, of up
  return 4 * std::max({config_.vocab_size * config_.embedding_size, 3 * hidden * hidden,
                       hidden * config_.intermediate_size});
}

}  // namespace rank_distillm
