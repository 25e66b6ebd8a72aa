#include "model/encoder.h"

#include <string>

#include "ops/attention.h"
#include "ops/bf16.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

Linear take_linear(Weights& weights, const std::string& name, int64_t out, int64_t in, at::ScalarType dtype) {
  return weights.linear({name}, out, in, dtype);
}

LayerNorm take_norm(Weights& weights, const std::string& name, int64_t size, double eps) {
  return {weights.take(name + ".weight", {size}, at::kFloat), weights.take(name + ".bias", {size}, at::kFloat), eps};
}

std::string layer_prefix(int64_t index) { return "encoder.layer." + std::to_string(index) + "."; }

}  // namespace

Encoder::Encoder(const EncoderConfig& config, Precision precision, RowsNeeded rows, Weights& weights)
    : config_(config), compute_type_(scalar_type(precision)) {
  const auto width = config.embedding_size;
  const auto table = [&](const std::string& name, int64_t size) {
    return weights.take("embeddings." + name + ".weight", {size, width}, at::kFloat);
  };
  embedding_ = {table("word_embeddings", config.vocab_size), table("position_embeddings", config.max_positions),
                table("token_type_embeddings", config.type_vocab_size),
                take_norm(weights, "embeddings.LayerNorm", width, config.layer_norm_eps)};
  if (width != config.hidden_size) {
    project_ = take_linear(weights, "embeddings_project", config.hidden_size, width, at::kFloat);
  }
  const bool first_rows_only = rows == RowsNeeded::first_of_each_sequence;
  const int64_t full_layers = first_rows_only ? config.layers - 1 : config.layers;
  for (int64_t i = 0; i < full_layers; ++i) layers_.push_back(take_layer(weights, i));
  if (first_rows_only) last_ = take_first_rows_layer(weights, full_layers);
}

Encoder::AfterAttention Encoder::take_after_attention(Weights& weights, int64_t index, at::ScalarType dtype) const {
  const auto prefix = layer_prefix(index);
  const auto hidden = config_.hidden_size, wide = config_.intermediate_size;
  return {take_linear(weights, prefix + "attention.output.dense", hidden, hidden, dtype),
          take_norm(weights, prefix + "attention.output.LayerNorm", hidden, config_.layer_norm_eps),
          take_linear(weights, prefix + "intermediate.dense", wide, hidden, dtype),
          take_linear(weights, prefix + "output.dense", hidden, wide, dtype),
          take_norm(weights, prefix + "output.LayerNorm", hidden, config_.layer_norm_eps)};
}

Linear Encoder::take_attention_inputs(Weights& weights, int64_t index, std::initializer_list<const char*> parts,
                                      at::ScalarType dtype) const {
  std::vector<std::string> names;
  for (const auto* part : parts) names.push_back(layer_prefix(index) + "attention.self." + part);
  return weights.linear(names, config_.hidden_size, config_.hidden_size, dtype);
}

Encoder::Layer Encoder::take_layer(Weights& weights, int64_t index) const {
  return {take_attention_inputs(weights, index, {"query", "key", "value"}, compute_type_),
          take_after_attention(weights, index, compute_type_)};
}

Encoder::FirstRowsLayer Encoder::take_first_rows_layer(Weights& weights, int64_t index) const {
  return {take_attention_inputs(weights, index, {"query"}, at::kFloat),
          take_attention_inputs(weights, index, {"key", "value"}, compute_type_),
          take_after_attention(weights, index, at::kFloat)};
}

HiddenState Encoder::embed_and_project(const PackedBatch& batch, const Block& block, Counters& counters) const {
  auto exact = embed(batch, block, embedding_);
  // In float32 even for bf16: a sliver of the work, and its rounding would pass through every layer.
  if (project_.weight.defined()) exact = linear(exact, project_, counters);
  return {exact, to_compute_type(exact, compute_type_)};
}

HiddenState Encoder::apply(const AfterAttention& after, const at::Tensor& context, const at::Tensor& residual,
                           Counters& counters) const {
  const auto dtype = context.scalar_type();
  const auto attended =
      residual_layer_norm(linear(context, after.attention_output, counters), residual, after.attention_norm, dtype);
  const auto widened = linear_activated(attended.compute, after.up, config_.activation, counters);
  return residual_layer_norm(linear(widened, after.down, counters), attended.exact, after.output_norm, dtype);
}

HiddenState Encoder::apply(const Layer& layer, const HiddenState& hidden, const std::vector<EqualLengthRun>& runs,
                           Counters& counters) const {
  const auto context = self_attention(linear_rounded(hidden.compute, layer.qkv, counters), config_.heads, runs);
  return apply(layer.after, context, hidden.exact, counters);
}

at::Tensor Encoder::apply(const FirstRowsLayer& layer, const HiddenState& hidden, const PackedBatch& batch,
                          const Block& block, const std::vector<EqualLengthRun>& runs, Counters& counters) const {
  const auto rows = first_rows(hidden.exact, batch, block);
  const auto query = to_compute_type(linear(rows, layer.query, counters), compute_type_);
  const auto kv = linear_rounded(hidden.compute, layer.kv, counters);
  const auto context = first_row_attention(query, kv, config_.heads, runs);
  return apply(layer.after, context.to(at::kFloat), rows, counters).exact;
}

at::Tensor Encoder::forward(const PackedBatch& batch, const Block& block, const CancelFlag& cancel,
                            Counters& counters) const {
  const auto runs = equal_length_runs(batch, block);
  auto hidden = embed_and_project(batch, block, counters);
  for (const auto& layer : layers_) {
    throw_if_cancelled(cancel);
    hidden = apply(layer, hidden, runs, counters);
  }
  throw_if_cancelled(cancel);
  return last_ ? apply(*last_, hidden, batch, block, runs, counters) : hidden.exact;
}

}  // namespace rank_distillm
