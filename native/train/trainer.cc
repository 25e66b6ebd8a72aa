#include "train/trainer.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <chrono>

#include "core/cpu.h"
#include "core/error.h"
#include "ops/bf16.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

/// Tokens of a block that is scored and not kept.
constexpr int64_t scored_together = 4096;

}  // namespace

struct Trainer::State {
  explicit State(TrainingBatch whole) : batch(std::move(whole)), rows(batch) {}

  TrainingBatch batch;
  BatchRows rows;
  DropoutRates dropout;
  NormState embedding_norm;
  at::Tensor embedded;  // [tokens, embedding] float32; undefined without a projection
  std::vector<LayerState> layers;
  at::Tensor last;  // [tokens, hidden] float32; for pooling over all tokens only
  HeadState head;
};

Trainer::Trainer(const TrainerOptions& options, std::vector<TensorSource> tensors)
    : options_(options),
      precision_(cpu_has_bf16() || cpu_emulates_bf16() ? options.model.precision : Precision::float32),
      compute_type_(precision_ == Precision::bfloat16 ? at::kBFloat16 : at::kFloat),
      parameters_(std::move(tensors), precision_),
      head_(options.model.encoder, options.model.head, parameters_) {
  const auto& config = options.model.encoder;
  const auto width = config.embedding_size;
  const auto norm = trainable_norm(parameters_, "embeddings.LayerNorm", width, config.layer_norm_eps);
  const std::string prefix = "embeddings.", suffix = "_embeddings.weight";
  const auto value = [&](const char* name, int64_t size) {
    return parameters_.value(prefix + name + suffix, {size, width});
  };
  const auto gradient = [&](const char* name, int64_t size) {
    return parameters_.gradient(prefix + name + suffix, {size, width});
  };
  embedding_ = {value("word", config.vocab_size), value("position", config.max_positions),
                value("token_type", config.type_vocab_size), norm.norm};
  embedding_gradients_ = {gradient("word", config.vocab_size), gradient("position", config.max_positions),
                          gradient("token_type", config.type_vocab_size), norm.gradients};
  if (width != config.hidden_size) {
    project_ = parameters_.linear({"embeddings_project"}, config.hidden_size, width, at::kFloat);
  }
  for (int64_t i = 0; i < config.layers; ++i) {
    const bool first_rows_only = options.model.head.pooling == Pooling::first && i + 1 == config.layers;
    layers_.emplace_back(config, i, first_rows_only, compute_type_, parameters_);
  }
}

HiddenState Trainer::embed(const BatchRows& rows, const DropoutRates& dropout, State& state, Counters& counters) const {
  auto exact = embed_training(*rows.packed, embedding_, dropout.at(DropoutSite::embeddings, dropout.hidden),
                              rows.tokens, state.embedding_norm);
  if (project_) {
    state.embedded = exact;
    exact = linear_training(exact, *project_, counters);
  }
  return {exact, to_compute_type(exact, compute_type_)};
}

at::Tensor Trainer::run(const BatchRows& rows, const DropoutRates& dropout, State& state, const CancelFlag& cancel,
                        Counters& counters, bool keep) const {
  auto hidden = embed(rows, dropout, state, counters);
  LayerState passing;
  if (keep) state.layers.resize(layers_.size());
  for (size_t i = 0; i < layers_.size(); ++i) {
    throw_if_cancelled(cancel);
    hidden = layers_[i].forward(hidden, rows, dropout, keep ? state.layers[i] : passing, counters);
  }
  const auto pooling = options_.model.head.pooling;
  auto pooled = hidden.exact;
  if (pooling != Pooling::first) {
    state.last = hidden.exact;
    pooled = pool(hidden.exact, *rows.packed, rows.block, pooling);
  }
  return head_.forward(pooled, rows, dropout, state.head, counters);
}

Trainer::Forward Trainer::forward(TrainingBatch batch, uint32_t step, bool keep, const CancelFlag& cancel) {
  const auto& config = options_.model.encoder;
  check_batch(batch.packed, config.vocab_size, config.type_vocab_size, config.max_positions);
  if (static_cast<int64_t>(batch.pairs.size()) != batch.packed.sequences()) {
    throw bad_input("pairs must have one number for each sequence");
  }
  const auto start = std::chrono::steady_clock::now();
  const auto state = std::make_shared<State>(std::move(batch));
  state->dropout = {options_.hidden_dropout, options_.attention_dropout, options_.head_dropout, options_.seed, step};
  Forward result;
  const auto values = run(state->rows, state->dropout, *state, cancel, result.scores.counters, keep);
  result.scores.values.assign(values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel());
  if (keep) {
    result.kept = next_kept_++;
    kept_[result.kept] = state;
  }
  result.scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

Counters Trainer::backward(int64_t kept, const std::vector<float>& gradient) {
  const auto found = kept_.find(kept);
  if (found == kept_.end()) throw bad_input("backward: nothing is kept under this number");
  const auto state = std::move(found->second);
  kept_.erase(found);
  const auto& rows = state->rows;
  if (static_cast<int64_t>(gradient.size()) != rows.block.sequences) {
    throw bad_input("backward: the gradient must have one value for each sequence");
  }
  Counters counters;
  // A copy, since LibTorch aligns its memory and a vector does not: MKL adds up in another order where rows begin
  // elsewhere within a cache line, and the same run must give the same bits.
  const auto scores = at::from_blob(const_cast<float*>(gradient.data()), {rows.block.sequences}, at::kFloat).clone();
  auto hidden = head_.backward(scores, rows, state->dropout, state->head, counters);
  const auto pooling = options_.model.head.pooling;
  if (pooling != Pooling::first) hidden = pool_backward(hidden, state->last, *rows.packed, rows.block, pooling);
  for (size_t i = layers_.size(); i-- > 0;) {
    hidden = layers_[i].backward(hidden, rows, state->dropout, state->layers[i], counters);
    state->layers[i] = {};  // memory shrinks on the way down
  }
  if (project_) {
    linear_backward_weights(hidden, state->embedded, *project_, counters);
    hidden = linear_backward_input(hidden, *project_, counters);
  }
  embed_backward(hidden, *rows.packed, embedding_, options_.padding_id,
                 state->dropout.at(DropoutSite::embeddings, state->dropout.hidden), rows.tokens, state->embedding_norm,
                 embedding_gradients_);
  return counters;
}

Scores Trainer::score(const PackedBatch& batch, const CancelFlag& cancel) const {
  const auto& config = options_.model.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const auto start = std::chrono::steady_clock::now();
  Scores scores;
  for (const auto& block : cut_blocks(batch, scored_together)) {
    TrainingBatch part;
    const auto first = batch.cu_seqlens.begin() + block.first_sequence;
    part.packed.input_ids.assign(batch.input_ids.begin() + block.first_token,
                                 batch.input_ids.begin() + block.first_token + block.tokens);
    part.packed.token_type_ids.assign(batch.token_type_ids.begin() + block.first_token,
                                      batch.token_type_ids.begin() + block.first_token + block.tokens);
    for (auto it = first; it <= first + block.sequences; ++it) {
      part.packed.cu_seqlens.push_back(*it - static_cast<int32_t>(block.first_token));
    }
    part.pairs.resize(block.sequences);
    State state(std::move(part));
    const auto values = run(state.rows, DropoutRates(), state, cancel, scores.counters, false);
    scores.values.insert(scores.values.end(), values.const_data_ptr<float>(),
                         values.const_data_ptr<float>() + values.numel());
  }
  scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return scores;
}

void Trainer::zero_gradients() { parameters_.gradients().zero_(); }

const at::Tensor& Trainer::flat(FlatArray array) const {
  switch (array) {
    case FlatArray::values:
      return parameters_.values();
    case FlatArray::gradients:
      return parameters_.gradients();
    case FlatArray::first_moments:
      return parameters_.first_moments();
    case FlatArray::second_moments:
      return parameters_.second_moments();
  }
  return parameters_.values();
}

at::Tensor Trainer::range(FlatArray array, int64_t offset, int64_t count) const {
  if (offset < 0 || count < 0 || offset > size() - count) {
    throw bad_input("the range lies outside the " + std::to_string(size()) + " numbers of the model");
  }
  return flat(array).narrow(0, offset, count);
}

std::vector<float> Trainer::read(FlatArray array, int64_t offset, int64_t count) const {
  const auto part = range(array, offset, count);
  return {part.const_data_ptr<float>(), part.const_data_ptr<float>() + count};
}

void Trainer::write(FlatArray array, int64_t offset, const std::vector<float>& values) {
  const auto part = range(array, offset, static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), part.data_ptr<float>());
  if (array == FlatArray::values) parameters_.values_changed();
}

int64_t Trainer::bytes_per_token() const {
  const auto& config = options_.model.encoder;
  const int64_t width = static_cast<int64_t>(c10::elementSize(compute_type_));
  const int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  const int64_t layer = width * (6 * hidden + wide) + 8 * hidden + 8 * config.heads;
  return config.layers * layer + 4 * (2 * config.embedding_size + hidden);
}

}  // namespace rank_distillm
