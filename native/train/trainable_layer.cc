#include "train/trainable_layer.h"

#include <cstring>

#include "model/tensor_names.h"

namespace rank_distillm {
TrainableNorm trainable_norm(const Parameters& parameters, const std::string& name, int64_t size, double eps) {
  const auto values = [&](const char* part) { return parameters.value(name + part, {size}).data(); };
  const auto gradients = [&](const char* part) { return parameters.gradient(name + part, {size}).data(); };
  return {values(".weight"), values(".bias"), gradients(".weight"), gradients(".bias"), size, static_cast<float>(eps)};
}

TrainableLayer::TrainableLayer(const EncoderConfig& config, int64_t index, bool first_rows_only, ElementType type,
                               const Parameters& parameters)
    : index_(index),
      first_rows_only_(first_rows_only),
      heads_(config.heads),
      hidden_(config.hidden_size),
      intermediate_(config.intermediate_size),
      activation_(config.activation),
      type_(type),
      rows_type_(first_rows_only ? ElementType::float32 : type) {
  const tensor_names::Layer names(index);
  const auto of_rows = [&](const std::string& name, int64_t out, int64_t in) {
    return PackedLinear(parameters.linear({name}, out, in), rows_type_);
  };
  std::vector<std::string> of_tokens = {names.key, names.value};
  if (first_rows_only) {
    linears_[query] = of_rows(names.query, hidden_, hidden_);
  } else {
    of_tokens.insert(of_tokens.begin(), names.query);
  }
  linears_[key_value] = PackedLinear(parameters.linear(of_tokens, hidden_, hidden_), type);
  linears_[attention_output] = of_rows(names.attention_output, hidden_, hidden_);
  linears_[up] = of_rows(names.up, intermediate_, hidden_);
  linears_[down] = of_rows(names.down, hidden_, intermediate_);
  attention_norm_ = trainable_norm(parameters, names.attention_norm, hidden_, config.layer_norm_eps);
  output_norm_ = trainable_norm(parameters, names.output_norm, hidden_, config.layer_norm_eps);
}

const RowId* TrainableLayer::ids_of(const BlockPass& pass) const {
  return first_rows_only_ ? pass.batch.first.data() + pass.block.first_sequence
                          : pass.batch.tokens.data() + pass.block.first_token;
}

Rows TrainableLayer::columns(const Rows& rows, int64_t first) const {
  return {rows.data + first * element_bytes(type_), rows.stride};
}

LayerState TrainableLayer::state(const Block& block, Arena& arena) const {
  const int64_t rows = rows_of(block);
  const auto typed = [&](int64_t count, int64_t width, ElementType type) {
    return arena.rows(count, width, element_bytes(type));
  };
  // If products are not float32, `exact` is the residual stream, which is updated in place: backward needs only its
  // normalized rows.
  const auto hidden = [&] {
    const auto compute = typed(rows, hidden_, rows_type_);
    return HiddenRows{rows_type_ == ElementType::float32 ? compute : Rows(), compute};
  };
  const auto norm = [&] { return NormState{arena.rows(rows, hidden_, 4), arena.floats(rows)}; };
  LayerState state;
  if (first_rows_only_) {
    state.first = arena.rows(rows, hidden_, 4);
    state.query = typed(rows, hidden_, type_);
    state.kv = typed(block.tokens, 2 * hidden_, type_);
  } else {
    state.query = typed(rows, 3 * hidden_, type_);
    state.kv = columns(state.query, hidden_);
  }
  state.softmax = arena.floats(2 * rows * heads_);
  state.context = typed(rows, hidden_, rows_type_);
  state.attended = hidden();
  state.widened = typed(rows, intermediate_, rows_type_);
  state.output = hidden();
  state.attention_norm = norm();
  state.output_norm = norm();
  return state;
}

LayerGradients TrainableLayer::gradients(int64_t sequences, int64_t token_rows, int64_t first_rows,
                                         Arena& arena) const {
  LayerGradients result;
  result.sequences = sequences;
  for (int i = 0; i < count; ++i) {
    if (!linears_[i].defined()) continue;
    const bool all_tokens = !first_rows_only_ || i == key_value;
    result.linears.emplace_back(linears_[i], all_tokens ? token_rows : first_rows, arena);
  }
  result.attention_norm = arena.floats(sequences * 2 * hidden_);
  result.output_norm = arena.floats(sequences * 2 * hidden_);
  return result;
}

template <typename Body>
void TrainableLayer::each_sequence(const BlockPass& pass, const Body& body) const {
  const auto& [batch, block, dropout, workspace, counters] = pass;
  const OpTimer timer(counters.ticks.attention);
  const auto& offsets = batch.packed->cu_seqlens;
  for (int64_t s = 0; s < block.sequences; ++s) {
    const int64_t start = offsets[block.first_sequence + s], row = start - block.first_token;
    const int64_t length = offsets[block.first_sequence + s + 1] - start;
    const auto drops = dropout.at(DropoutSite::attention_weights, index_);
    body(first_rows_only_ ? s : row, first_rows_only_ ? 1 : length, row, length,
         drops.mask(batch.first[block.first_sequence + s]));
  }
}

void TrainableLayer::attend(const BlockPass& pass, const LayerState& state, const Rows& context) const {
  const int64_t head_size = hidden_ / heads_;
  const auto attention = kernels().attention_of(type_);
  const auto from = [](const Rows& rows, int64_t first) { return Rows{rows.row(first), rows.stride}; };
  const auto values = columns(state.kv, hidden_);
  each_sequence(pass, [&](int64_t query, int64_t queries, int64_t key, int64_t keys, const DropoutMask& mask) {
    char* scratch = pass.workspace.bytes(Slot::attention, attention_scratch(keys, head_size));
    attention({queries, keys, heads_, head_size, from(state.query, query), from(state.kv, key), from(values, key),
               from(context, query), scratch, state.softmax + 2 * query * heads_, mask});
  });
}

void TrainableLayer::attend_backward(const BlockPass& pass, const LayerState& state, const Rows& gradient,
                                     const Rows& query_gradient, const Rows& kv_gradient) const {
  const int64_t head_size = hidden_ / heads_;
  const auto backward = kernels().attention_backward_of(type_);
  const auto from = [](const Rows& rows, int64_t first) { return Rows{rows.row(first), rows.stride}; };
  const auto values = columns(state.kv, hidden_), value_gradient = columns(kv_gradient, hidden_);
  each_sequence(pass, [&](int64_t query, int64_t queries, int64_t key, int64_t keys, const DropoutMask& mask) {
    char* scratch = pass.workspace.bytes(Slot::attention, attention_backward_scratch(keys, head_size));
    backward({queries, keys, heads_, head_size, from(state.query, query), from(state.kv, key), from(values, key),
              from(gradient, query), state.softmax + 2 * query * heads_, mask, from(query_gradient, query),
              from(kv_gradient, key), from(value_gradient, key), scratch});
  });
}

HiddenRows TrainableLayer::forward(const BlockPass& pass, const HiddenRows& input, LayerState& state) const {
  const auto& [batch, block, dropout, workspace, counters] = pass;
  const int64_t rows = rows_of(block);
  const bool same = type_ == rows_type_;
  state.input = input.compute;
  auto residual = input.exact;
  if (first_rows_only_) {
    for (int64_t s = 0; s < rows; ++s) {
      const int64_t row = batch.packed->cu_seqlens[block.first_sequence + s] - block.first_token;
      std::memcpy(state.first.row(s), input.exact.row(row), hidden_ * 4);
    }
    residual = state.first;
    const auto queries = same ? state.query : workspace.rows(Slot::query, rows, hidden_, 4);
    linears_[query].forward(rows, state.first, Epilogue::none, queries, rows_type_, counters);
    if (!same) kernels().convert({rows, hidden_, queries, rows_type_, {type_, state.query}});
    linears_[key_value].forward(block.tokens, state.input, Epilogue::none, state.kv, type_, counters);
  } else {
    linears_[key_value].forward(rows, state.input, Epilogue::none, state.query, type_, counters);
  }
  const auto context = same ? state.context : workspace.rows(Slot::context, rows, hidden_, element_bytes(type_));
  attend(pass, state, context);
  if (!same) kernels().convert({rows, hidden_, context, type_, {rows_type_, state.context}});
  if (rows_type_ != ElementType::float32) state.attended.exact = state.output.exact = residual;
  const auto branch = workspace.rows(Slot::branch, rows, hidden_, 4);
  const auto norm = [&](const Rows& old, const HiddenRows& to, const TrainableNorm& with, DropoutSite site,
                        const NormState& kept) {
    const OpTimer timer(counters.ticks.norm);
    residual_layer_norm_training({rows, branch, old, to.exact, {rows_type_, to.compute}}, with,
                                 dropout.at(site, index_), ids_of(pass), kept);
  };
  linears_[attention_output].forward(rows, state.context, Epilogue::none, branch, ElementType::float32, counters);
  norm(residual, state.attended, attention_norm_, DropoutSite::attention_output, state.attention_norm);
  const auto wide = workspace.rows(Slot::wide, rows, intermediate_, element_bytes(rows_type_));
  linears_[up].forward(rows, state.attended.compute, activation_, wide, rows_type_, counters, state.widened);
  linears_[down].forward(rows, wide, Epilogue::none, branch, ElementType::float32, counters);
  norm(state.attended.exact, state.output, output_norm_, DropoutSite::layer_output, state.output_norm);
  return state.output;
}

void TrainableLayer::backward(const BlockPass& pass, const GradientPlace& place, const Rows& gradient,
                              const Rows& token_gradient, const LayerState& state,
                              const LayerGradients& gradients) const {
  const auto& [batch, block, dropout, workspace, counters] = pass;
  const int64_t rows = rows_of(block), bytes = element_bytes(rows_type_);
  const auto place_rows = [&](Linear linear, const Rows& of_output, const Rows& input,
                              Epilogue activation = Epilogue::none) {
    const bool all_tokens = !first_rows_only_ || linear == key_value;
    const auto index = first_rows_only_ || linear < query ? linear : linear - 1;
    gradients.linears[index].place(of_output, input, activation, all_tokens ? block.tokens : rows,
                                   all_tokens ? place.first_token : place.first_sequence,
                                   all_tokens ? place.end_token : place.end_sequence);
  };
  // `gradient` follows the residual stream: each step overwrites it or adds to it.
  const auto norm = [&](const TrainableNorm& with, DropoutSite site, const NormState& kept, float* sums) {
    const OpTimer timer(counters.ticks.norm);
    const auto drops = dropout.at(site, index_);
    const bool same = rows_type_ == ElementType::float32 && !drops.active();
    const auto branch = same ? gradient : workspace.rows(Slot::branch, rows, hidden_, bytes);
    residual_layer_norm_backward({rows, gradient, branch, rows_type_}, with, drops, ids_of(pass), kept,
                                 sums + block.first_sequence * 2 * hidden_);
    return branch;
  };
  {
    const auto branch = norm(output_norm_, DropoutSite::layer_output, state.output_norm, gradients.output_norm);
    place_rows(down, branch, state.widened, activation_);
    const auto widened = workspace.rows(Slot::wide, rows, intermediate_, bytes);
    linears_[down].backward(rows, branch, derivative_epilogue(activation_), widened, rows_type_, counters,
                            state.widened);
    place_rows(up, widened, state.attended.compute);
    linears_[up].backward(rows, widened, Epilogue::add, gradient, ElementType::float32, counters);
  }
  const auto branch =
      norm(attention_norm_, DropoutSite::attention_output, state.attention_norm, gradients.attention_norm);
  place_rows(attention_output, branch, state.context);
  const auto context = workspace.rows(Slot::context, rows, hidden_, bytes);
  linears_[attention_output].backward(rows, branch, Epilogue::none, context, rows_type_, counters);
  if (!first_rows_only_) {
    const auto qkv = workspace.rows(Slot::qkv, rows, 3 * hidden_, bytes);
    attend_backward(pass, state, context, qkv, columns(qkv, hidden_));
    place_rows(key_value, qkv, state.input);
    linears_[key_value].backward(rows, qkv, Epilogue::add, gradient, ElementType::float32, counters);
    return;
  }
  const bool same = type_ == rows_type_;
  const int64_t narrow_bytes = element_bytes(type_);
  const auto attended = same ? context : workspace.rows(Slot::exact_context, rows, hidden_, narrow_bytes);
  if (!same) kernels().convert({rows, hidden_, context, rows_type_, {type_, attended}});
  const auto rounded = workspace.rows(Slot::compute, rows, hidden_, narrow_bytes);
  const auto kv = workspace.rows(Slot::qkv, block.tokens, 2 * hidden_, narrow_bytes);
  attend_backward(pass, state, attended, rounded, kv);
  const auto queries = same ? rounded : workspace.rows(Slot::query, rows, hidden_, 4);
  if (!same) kernels().convert({rows, hidden_, rounded, type_, {rows_type_, queries}});
  place_rows(query, queries, state.first);
  place_rows(key_value, kv, state.input);
  linears_[query].backward(rows, queries, Epilogue::add, gradient, ElementType::float32, counters);
  for (int64_t t = 0; t < block.tokens; ++t) std::memset(token_gradient.row(t), 0, hidden_ * 4);
  for (int64_t s = 0; s < rows; ++s) {
    const int64_t row = batch.packed->cu_seqlens[block.first_sequence + s] - block.first_token;
    std::memcpy(token_gradient.row(row), gradient.row(s), hidden_ * 4);
  }
  linears_[key_value].backward(block.tokens, kv, Epilogue::add, token_gradient, ElementType::float32, counters);
}

int64_t TrainableLayer::gradient_tasks(const LayerGradients& gradients) const {
  int64_t tasks = 1;
  for (const auto& linear : gradients.linears) tasks += linear.tasks();
  return tasks;
}

void TrainableLayer::add_gradients(const LayerGradients& gradients, int64_t task, Counters& counters) const {
  for (const auto& linear : gradients.linears) {
    if (task < linear.tasks()) return linear.add(task, counters);
    task -= linear.tasks();
  }
  add_norm_gradients(attention_norm_, gradients.attention_norm, gradients.sequences);
  add_norm_gradients(output_norm_, gradients.output_norm, gradients.sequences);
}

}  // namespace rank_distillm
