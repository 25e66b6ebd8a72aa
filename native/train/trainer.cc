#include "train/trainer.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"

namespace rank_distillm {
namespace {

/// Tokens of a batch that are scored together.
constexpr int64_t scored_together = 16384;
/// Enough for fast products, few enough to stay in the cores' caches.
constexpr int64_t part_tokens = 4096;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

struct Trainer::State {
  State(TrainingBatch whole, int64_t first_position, const DropoutRates& dropout)
      : batch(std::move(whole)), rows(batch, first_position), encoder{&rows, dropout, {}} {}

  TrainingBatch batch;
  BatchRows rows;
  EncoderState encoder;
  Arena head_arena;
  HeadRows head;  // in its arena
};

Trainer::Trainer(const TrainerOptions& options, std::vector<TensorSource> tensors, Workers& workers)
    : TrainingModel(options, training_precision(options.model.encoder, options.model.precision)),
      parameters_(make_parameters(std::move(tensors), loop_on(workers))),
      encoder_(options.model.encoder, options.model.head.pooling, precision_, options.padding_id, parameters_),
      head_(options.model.encoder, options.model.head, parameters_),
      buckets_(gradient_buckets(parameters_.layout(), options.model.encoder.layers)) {}

std::vector<float> Trainer::run(State& state, bool keep, Workers& workers, const CancelFlag& cancel,
                                Counters& counters) {
  state.head = head_.rows(state.batch.packed.sequences(), state.head_arena);
  encoder_.forward(state.encoder, keep, state.head.input, workers, cancel, counters);
  return head_.forward(state.head, state.rows.first, state.encoder.dropout, counters);
}

Trainer::Forward Trainer::forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers,
                                  const CancelFlag& cancel) {
  check(batch);
  const auto start = std::chrono::steady_clock::now();
  const auto state =
      std::make_shared<State>(std::move(batch), options_.model.encoder.first_position, options_.rates(step));
  Forward result;
  result.scores.values = run(*state, keep, workers, cancel, result.scores.counters);
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

GradientHandover Trainer::handover(const GradientSums* sums) const {
  return {buckets_, sums, parameters_.gradients().data(), -1};
}

void Trainer::sum_gradients(const GradientSums& sums) { handover(&sums).all_done(); }

Counters Trainer::backward(int64_t kept, const std::vector<float>& gradient, Workers& workers,
                           const GradientSums* sums) {
  const auto found = kept_.find(kept);
  if (found == kept_.end()) throw bad_input("backward: nothing is kept under this number");
  const auto state = std::move(found->second);
  kept_.erase(found);  // even on failure: an interrupted backward cannot be repeated
  const auto sequences = state->batch.packed.sequences();
  if (static_cast<int64_t>(gradient.size()) != sequences) {
    encoder_.give_back(state->encoder);
    throw bad_input("backward: the gradient must have one value for each sequence");
  }
  Counters counters;
  const auto pooled =
      head_.backward(gradient, state->head, state->rows.first, state->encoder.dropout, state->head_arena, counters);
  auto completed = handover(sums);
  completed.head_done();
  encoder_.backward(state->encoder, pooled, workers, counters,
                    [&](int64_t layer) { completed.layer_done(layer, options_.model.encoder.layers); });
  completed.all_done();
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
    State state(std::move(part), config.first_position, DropoutRates());
    const auto values = run(state, false, workers, cancel, scores.counters);
    scores.values.insert(scores.values.end(), values.begin(), values.end());
  }
  scores.seconds = seconds_since(start);
  return scores;
}

void Trainer::step(const AdamWStep& step, Workers& workers) {
  adamw_step(parameters_, step, workers);
  weights_changed();
}

void Trainer::weights_changed() {
  encoder_.weights_changed();
  head_.weights_changed();
}

void Trainer::zero_gradients() {
  const auto& gradients = parameters_.flat(FlatArray::gradients);
  std::fill_n(gradients.data(), gradients.count(), 0.0F);
}

std::vector<float> Trainer::read_part(FlatArray array, int64_t offset, int64_t count) const {
  const float* first = parameters_.flat(array).data() + offset;
  return {first, first + count};
}

void Trainer::write_part(FlatArray array, int64_t offset, const std::vector<float>& values) {
  std::copy(values.begin(), values.end(), parameters_.flat(array).data() + offset);
  if (array == FlatArray::values) weights_changed();
}

double Trainer::gradient_norm(Workers& workers) const { return rank_distillm::gradient_norm(parameters_, workers); }

int64_t Trainer::tokens_per_part() const { return part_tokens; }

}  // namespace rank_distillm
