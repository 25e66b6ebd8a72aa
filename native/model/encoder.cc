#include "model/encoder.h"


#include <string>

#include "ops/attention.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

Linear take_linear(Weights& weights, const std::string& name, int64_t out, int64_t in) {
  return {weights.take(name + ".weight", {out, in}), weights.take(name + ".bias", {out})};
}

LayerNorm take_norm(Weights& weights, const std::string& name, int64_t size, double eps) {
  return {weights.take(name + ".weight", {size}), weights.take(name + ".bias", {size}), eps};
}

}  // namespace

Encoder::Encoder(const EncoderConfig& config, Weights& weights) : config_(config) {
  const auto width = config.embedding_size;
  embedding_ = {weights.take("embeddings.word_embeddings.weight", {config.vocab_size, width}),
                weights.take("embeddings.position_embeddings.weight", {config.max_positions, width}),
                weights.take("embeddings.token_type_embeddings.weight", {config.type_vocab_size, width}),
                take_norm(weights, "embeddings.LayerNorm", width, config.layer_norm_eps)};
  if (width != config.hidden_size) project_ = take_linear(weights, "embeddings_project", config.hidden_size, width);
  for (int64_t i = 0; i < config.layers; ++i) layers_.push_back(take_layer(weights, i));
}

Encoder::Layer Encoder::take_layer(Weights& weights, int64_t index) const {
  const auto prefix = "encoder.layer." + std::to_string(index) + ".";
  const auto hidden = config_.hidden_size;
  const auto self = prefix + "attention.self.";
  // Fused as they are read, so that no more than one layer's separate copies exist at a time.
  const auto query = take_linear(weights, self + "query", hidden, hidden);
  const auto key = take_linear(weights, self + "key", hidden, hidden);
  const auto value = take_linear(weights, self + "value", hidden, hidden);
  return {{weights.fuse({query.weight, key.weight, value.weight}), weights.fuse({query.bias, key.bias, value.bias})},
          take_linear(weights, prefix + "attention.output.dense", hidden, hidden),
          take_norm(weights, prefix + "attention.output.LayerNorm", hidden, config_.layer_norm_eps),
          take_linear(weights, prefix + "intermediate.dense", config_.intermediate_size, hidden),
          take_linear(weights, prefix + "output.dense", hidden, config_.intermediate_size),
          take_norm(weights, prefix + "output.LayerNorm", hidden, config_.layer_norm_eps)};
}

at::Tensor Encoder::embed_and_project(const PackedBatch& batch, const Block& block, Counters& counters) const {
  auto hidden = embed(batch, block, embedding_);
  return project_.weight.defined() ? linear(hidden, project_, counters) : hidden;
}

at::Tensor Encoder::after_attention(const Layer& layer, const at::Tensor& context, const at::Tensor& residual,
                                    Counters& counters) const {
  const auto attended =
      residual_layer_norm(linear(context, layer.attention_output, counters), residual, layer.attention_norm);
  const auto widened = activate_(linear(attended, layer.up, counters), config_.activation);
  return residual_layer_norm(linear(widened, layer.down, counters), attended, layer.output_norm);
}

at::Tensor Encoder::full_layer(const Layer& layer, const at::Tensor& hidden, const std::vector<EqualLengthRun>& runs,
                               Counters& counters) const {
  const auto context = self_attention(linear(hidden, layer.qkv, counters), config_.heads, runs);
  return after_attention(layer, context, hidden, counters);
}

at::Tensor Encoder::forward(const PackedBatch& batch, const Block& block, const CancelFlag& cancel,
                            Counters& counters) const {
  const auto runs = equal_length_runs(batch, block);
  auto hidden = embed_and_project(batch, block, counters);
  for (const auto& layer : layers_) {
    throw_if_cancelled(cancel);
    hidden = full_layer(layer, hidden, runs, counters);
  }
  return hidden;
}

at::Tensor Encoder::forward_first_rows(const PackedBatch& batch, const Block& block, const CancelFlag& cancel,
                                       Counters& counters) const {
  const auto runs = equal_length_runs(batch, block);
  auto hidden = embed_and_project(batch, block, counters);
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    throw_if_cancelled(cancel);
    hidden = full_layer(layers_[i], hidden, runs, counters);
  }
  throw_if_cancelled(cancel);
  const auto& last = layers_.back();
  const auto rows = first_rows(hidden, batch, block);
  const auto size = config_.hidden_size;
  const auto query = linear(rows, output_slice(last.qkv, 0, size), counters);
  const auto kv = linear(hidden, output_slice(last.qkv, size, 3 * size), counters);
  return after_attention(last, first_row_attention(query, kv, config_.heads, runs), rows, counters);
}

}  // namespace rank_distillm
