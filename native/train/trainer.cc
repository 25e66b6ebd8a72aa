#include "train/trainer.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <chrono>

#include "core/error.h"

namespace rank_distillm {
namespace {

/// Tokens whose activations are held at a time where none are kept.
constexpr int64_t scored_together = 16384;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

struct Trainer::State {
  State(TrainingBatch whole, const DropoutRates& dropout)
      : batch(std::move(whole)), rows(batch), encoder{&rows, dropout, {}} {}

  TrainingBatch batch;
  BatchRows rows;
  EncoderState encoder;
  HeadState head;
};

Trainer::Trainer(const TrainerOptions& options, std::vector<TensorSource> tensors)
    : options_(options),
      precision_(available_precision(options.model.encoder, options.model.precision)),
      parameters_(std::move(tensors)),
      encoder_(options.model.encoder, options.model.head.pooling, product_type(precision_), options.padding_id,
               parameters_),
      head_(options.model.encoder, options.model.head, parameters_) {}

at::Tensor Trainer::run(State& state, bool keep, Workers& workers, const CancelFlag& cancel, Counters& counters) {
  const auto pooled = encoder_.forward(state.encoder, keep, workers, cancel, counters);
  return head_.forward(pooled, state.rows, state.encoder.dropout, state.head, counters);
}

Trainer::Forward Trainer::forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers,
                                  const CancelFlag& cancel) {
  const auto& config = options_.model.encoder;
  check_batch(batch.packed, config.vocab_size, config.type_vocab_size, config.max_positions);
  if (static_cast<int64_t>(batch.pairs.size()) != batch.packed.sequences()) {
    throw bad_input("pairs must have one number for each sequence");
  }
  const auto start = std::chrono::steady_clock::now();
  const DropoutRates rates = {options_.hidden_dropout, options_.attention_dropout, options_.head_dropout, options_.seed,
                              step};
  const auto state = std::make_shared<State>(std::move(batch), rates);
  Forward result;
  const auto values = run(*state, keep, workers, cancel, result.scores.counters);
  result.scores.values.assign(values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel());
  if (keep) {
    result.kept = next_kept_++;
    kept_[result.kept] = state;
  }
  result.scores.seconds = seconds_since(start);
  return result;
}

void Trainer::discard(int64_t kept) {
  const auto found = kept_.find(kept);
  if (found == kept_.end()) return;
  encoder_.give_back(found->second->encoder);
  kept_.erase(found);
}

Counters Trainer::backward(int64_t kept, const std::vector<float>& gradient, Workers& workers) {
  const auto found = kept_.find(kept);
  if (found == kept_.end()) throw bad_input("backward: nothing is kept under this number");
  const auto state = std::move(found->second);
  kept_.erase(found);  // whatever happens: a backward that broke off cannot be done again
  const auto sequences = state->batch.packed.sequences();
  if (static_cast<int64_t>(gradient.size()) != sequences) {
    encoder_.give_back(state->encoder);
    throw bad_input("backward: the gradient must have one value for each sequence");
  }
  Counters counters;
  // A copy, since LibTorch aligns its memory and a vector does not: MKL adds up in another order where rows begin
  // elsewhere within a cache line, and the same run must give the same bits.
  const auto scores = at::from_blob(const_cast<float*>(gradient.data()), {sequences}, at::kFloat).clone();
  const auto pooled = head_.backward(scores, state->rows, state->encoder.dropout, state->head, counters);
  encoder_.backward(state->encoder, pooled, workers, counters);
  encoder_.give_back(state->encoder);
  return counters;
}

Scores Trainer::score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) {
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
    State state(std::move(part), DropoutRates());
    const auto values = run(state, false, workers, cancel, scores.counters);
    scores.values.insert(scores.values.end(), values.const_data_ptr<float>(),
                         values.const_data_ptr<float>() + values.numel());
  }
  scores.seconds = seconds_since(start);
  return scores;
}

void Trainer::step(const AdamWStep& step, Workers& workers) {
  adamw_step(parameters_, step, workers);
  encoder_.weights_changed();
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
  if (array == FlatArray::values) encoder_.weights_changed();
}

}  // namespace rank_distillm
