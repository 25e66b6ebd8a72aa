#include "model/encoder.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "model/tensor_names.h"

namespace rank_distillm {
namespace {

Rows columns(const Rows& rows, int64_t first, ElementType type) {
  return {rows.data + first * element_bytes(type), rows.stride};
}

}  // namespace

Encoder::Encoder(const EncoderConfig& config, const Arithmetic& arithmetic, RowsNeeded rows, Weights& weights)
    : config_(config),
      kernels_(arithmetic.tiles ? kernels() : kernels_without_tiles()),
      type_(arithmetic.products),
      attention_type_(arithmetic.attention),
      between_type_(arithmetic.between),
      activation_(config.activation) {
  const auto width = config.embedding_size;
  const auto table = [&](const std::string& name, int64_t size) {
    return size == 0 ? Tensor({1, width}) : weights.take(name, {size, width});
  };
  embedding_ = {table(tensor_names::words, config.vocab_size),
                table(tensor_names::positions, config.first_position + config.max_positions),
                table(tensor_names::types, config.type_vocab_size),
                take_norm(weights, tensor_names::embedding_norm, width), std::nullopt};
  if (width != config.hidden_size) {
    embedding_.project =
        weights.linear({tensor_names::embedding_projection}, config.hidden_size, width, ElementType::float32);
  }
  const bool first_rows_only = rows == RowsNeeded::first_of_each_sequence;
  const int64_t full_layers = first_rows_only ? config.layers - 1 : config.layers;
  for (int64_t i = 0; i < full_layers; ++i) layers_.push_back(take_layer(weights, i));
  if (first_rows_only) last_ = take_first_rows_layer(weights, full_layers);
}

Encoder::Norm Encoder::take_norm(Weights& weights, const std::string& name, int64_t size) const {
  const int64_t padded = (size + 15) / 16 * 16;
  Norm norm{AlignedBuffer(2 * padded * sizeof(float)), {}};
  auto* numbers = norm.numbers.as<float>();
  weights.copy(name + ".weight", {size}, numbers);
  weights.copy(name + ".bias", {size}, numbers + padded);
  norm.view = {numbers, numbers + padded, static_cast<float>(config_.layer_norm_eps)};
  return norm;
}

Encoder::AfterAttention Encoder::take_after_attention(Weights& weights, int64_t index, ElementType type) const {
  const tensor_names::Layer names(index);
  const auto hidden = config_.hidden_size, wide = config_.intermediate_size;
  return {weights.linear({names.attention_output}, hidden, hidden, type),
          take_norm(weights, names.attention_norm, hidden), weights.linear({names.up}, wide, hidden, type),
          weights.linear({names.down}, hidden, wide, type), take_norm(weights, names.output_norm, hidden)};
}

Encoder::Layer Encoder::take_layer(Weights& weights, int64_t index) const {
  const tensor_names::Layer names(index);
  const auto hidden = config_.hidden_size;
  return {weights.linear({names.query, names.key, names.value}, hidden, hidden, type_),
          take_after_attention(weights, index, type_)};
}

Encoder::FirstRowsLayer Encoder::take_first_rows_layer(Weights& weights, int64_t index) const {
  const tensor_names::Layer names(index);
  const auto hidden = config_.hidden_size;
  return {weights.linear({names.query}, hidden, hidden, ElementType::float32),
          weights.linear({names.key, names.value}, hidden, hidden, type_),
          take_after_attention(weights, index, ElementType::float32)};
}

ComputeCopy Encoder::compute_copy(Workspace& workspace, Slot rows, Slot scales, int64_t count, int64_t width) const {
  if (type_ == ElementType::float32) return {};
  ComputeCopy copy = {type_, workspace.rows(rows, count, width, element_bytes(type_)), nullptr};
  if (are_integers(type_)) {
    copy.scales = reinterpret_cast<RowScale*>(workspace.bytes(scales, count * static_cast<int64_t>(sizeof(RowScale))));
  }
  if (type_ == ElementType::int8) {
    // one size for all copies: a larger one would reallocate and invalidate the others
    const int64_t widest = std::max(config_.hidden_size, config_.intermediate_size);
    copy.rotated = reinterpret_cast<float*>(workspace.bytes(Slot::rotated, row_stride(widest, 4)));
  }
  return copy;
}

void Encoder::embed(Pass& pass) const {
  const auto& [batch, block, workspace, counters, exact, compute] = pass;
  const bool direct = !embedding_.project;
  const int64_t width = config_.embedding_size;
  const auto embedded = direct ? exact : workspace.rows(Slot::embedded, block.tokens, width, 4);
  {
    const OpTimer timer(counters.ticks.embedding);
    for (const auto& run : position_runs(batch, block, config_.first_position)) {
      const int64_t row = run.first_token - block.first_token;
      auto copy = direct ? compute : ComputeCopy{};
      copy.rows.data = copy.rows.row(row);
      if (copy.scales != nullptr) copy.scales += row;
      kernels_.embed({run.tokens,
                      width,
                      batch.input_ids.data() + run.first_token,
                      batch.token_type_ids.data() + run.first_token,
                      embedding_.word.data(),
                      embedding_.position.data() + run.position * width,
                      embedding_.type.data(),
                      embedding_.norm.view,
                      {embedded.row(row), embedded.stride},
                      copy});
    }
  }
  if (direct) return;
  linear(*embedding_.project, block.tokens, {embedded}, Epilogue::none, exact, ElementType::float32, counters);
  if (compute.type != ElementType::float32) {
    kernels_.convert({block.tokens, config_.hidden_size, exact, ElementType::float32, compute});
  }
}

void Encoder::attend(const Pass& pass, const Rows& query, bool first_rows_only, const Rows& keys, const Rows& values,
                     const Rows& context) const {
  const OpTimer timer(pass.counters.ticks.attention);
  const auto& offsets = pass.batch.cu_seqlens;
  const int64_t head_size = config_.hidden_size / config_.heads;
  const auto attention = kernels_.attention_of(attention_type_);
  for (int64_t s = 0; s < pass.block.sequences; ++s) {
    const int64_t start = offsets[pass.block.first_sequence + s], row = start - pass.block.first_token;
    const int64_t length = offsets[pass.block.first_sequence + s + 1] - start;
    const int64_t first_query = first_rows_only ? s : row;
    const auto from = [](const Rows& rows, int64_t first) { return Rows{rows.row(first), rows.stride}; };
    char* scratch = pass.workspace.bytes(Slot::attention, attention_scratch(length, head_size));
    attention({first_rows_only ? 1 : length, length, config_.heads, head_size, from(query, first_query),
               from(keys, row), from(values, row), from(context, first_query), scratch});
  }
}

void Encoder::apply(const AfterAttention& after, int64_t rows, const LinearInput& context, const Rows& exact,
                    const ComputeCopy& copy, Slot wide_slot, Pass& pass) const {
  auto& [batch, block, workspace, counters, stream, compute] = pass;
  const int64_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  const auto type = after.up.type();
  const auto wide_type = type == ElementType::float32 ? ElementType::float32 : between_type_;
  const auto branch = workspace.rows(Slot::branch, rows, hidden, 4);
  linear(after.attention_output, rows, context, Epilogue::none, branch, ElementType::float32, counters);
  {
    const OpTimer timer(counters.ticks.norm);
    kernels_.residual_norm({rows, hidden, branch, exact, after.attention_norm.view, exact, copy});
  }
  const LinearInput narrow = {copy.type == ElementType::float32 ? exact : copy.rows, copy.scales};
  const auto wide = workspace.rows(wide_slot, rows, intermediate, element_bytes(wide_type));
  linear(after.up, rows, narrow, activation_, wide, wide_type, counters);
  LinearInput widened = {wide};
  if (are_integers(type)) {
    const auto integers = compute_copy(workspace, Slot::wide_compute, Slot::wide_scales, rows, intermediate);
    kernels_.convert({rows, intermediate, wide, wide_type, integers});
    widened = {integers.rows, integers.scales};
  }
  linear(after.down, rows, widened, Epilogue::none, branch, ElementType::float32, counters);
  const OpTimer timer(counters.ticks.norm);
  kernels_.residual_norm({rows, hidden, branch, exact, after.output_norm.view, exact, copy});
}

void Encoder::apply(const Layer& layer, Pass& pass) const {
  auto& [batch, block, workspace, counters, exact, compute] = pass;
  const int64_t hidden = config_.hidden_size, bytes_each = element_bytes(attention_type_);
  const LinearInput input = {compute.type == ElementType::float32 ? exact : compute.rows, compute.scales};
  const auto qkv = workspace.rows(Slot::qkv, block.tokens, 3 * hidden, bytes_each);
  linear(layer.qkv, block.tokens, input, Epilogue::none, qkv, attention_type_, counters);
  const auto context = workspace.rows(Slot::context, block.tokens, hidden, bytes_each);
  attend(pass, qkv, false, columns(qkv, hidden, attention_type_), columns(qkv, 2 * hidden, attention_type_), context);
  LinearInput attended = {context};
  if (attention_type_ != type_) {
    kernels_.convert({block.tokens, hidden, context, attention_type_, compute});
    attended = {compute.rows, compute.scales};
  }
  apply(layer.after, block.tokens, attended, exact, compute, Slot::wide, pass);
}

Rows Encoder::apply(const FirstRowsLayer& layer, Pass& pass) const {
  auto& [batch, block, workspace, counters, exact, compute] = pass;
  const int64_t hidden = config_.hidden_size, bytes_each = element_bytes(attention_type_);
  const int64_t sequences = block.sequences;
  const LinearInput input = {compute.type == ElementType::float32 ? exact : compute.rows, compute.scales};
  const auto kv = workspace.rows(Slot::qkv, block.tokens, 2 * hidden, bytes_each);
  linear(layer.kv, block.tokens, input, Epilogue::none, kv, attention_type_, counters);

  const auto first = workspace.rows(Slot::first, sequences, hidden, 4);
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t row = batch.cu_seqlens[block.first_sequence + s] - block.first_token;
    std::memcpy(first.row(s), exact.row(row), 4 * hidden);
  }
  auto context = workspace.rows(Slot::exact_context, sequences, hidden, 4);
  const auto exact_query = workspace.rows(Slot::branch, sequences, hidden, 4);
  linear(layer.query, sequences, {first}, Epilogue::none, exact_query, ElementType::float32, counters);
  if (attention_type_ == ElementType::float32) {
    attend(pass, exact_query, true, kv, columns(kv, hidden, attention_type_), context);
  } else {
    const auto query = workspace.rows(Slot::query, sequences, hidden, bytes_each);
    kernels_.convert({sequences, hidden, exact_query, ElementType::float32, {attention_type_, query, nullptr}});
    const auto rounded = workspace.rows(Slot::context, sequences, hidden, bytes_each);
    attend(pass, query, true, kv, columns(kv, hidden, attention_type_), rounded);
    kernels_.convert({sequences, hidden, rounded, attention_type_, {ElementType::float32, context}});
  }
  apply(layer.after, sequences, {context}, first, {}, Slot::first_wide, pass);
  return first;
}

Rows Encoder::forward(const PackedBatch& batch, const Block& block, Workspace& workspace,
                      const std::function<void()>& between_layers, Counters& counters) const {
  Pass pass = {batch,
               block,
               workspace,
               counters,
               workspace.rows(Slot::exact, block.tokens, config_.hidden_size, 4),
               compute_copy(workspace, Slot::compute, Slot::compute_scales, block.tokens, config_.hidden_size)};
  embed(pass);
  for (const auto& layer : layers_) {
    between_layers();
    apply(layer, pass);
  }
  between_layers();
  const auto result = last_ ? apply(*last_, pass) : pass.exact;
  kernels_.release();
  return result;
}

}  // namespace rank_distillm
